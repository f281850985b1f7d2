import type { Disk } from "../platform/file/disk.ts";
import { systemDisk } from "../platform/file/durable_file.ts";
import { replaceFile } from "../platform/file/file_replacement.ts";
import { readPlain } from "../platform/file/random_access_file.ts";
import { isNotThere } from "../platform/file/random_access_file.ts";
import { type AcmeState, readState } from "./acme_state.ts";
import { acmeCertificate } from "../tls/own/chain_parameters.ts";

/** Bytes of a file of ours. */
const LARGEST = 1 << 20;
const SECRET = 0o600;

/** What ACME keeps below data_directory/acme: the account's key, the certificate with its key, and how the last attempt ended. */
export class AcmeFiles {
  readonly #folder: string;
  readonly #certificate: string;

  constructor(dataDirectory: string) {
    this.#folder = `${dataDirectory}/acme`;
    this.#certificate = acmeCertificate(dataDirectory);
  }

  /** Makes the folder, which nobody else may enter. Throws the system's error. */
  prepare(): void {
    systemDisk.makeDirectory(this.#folder);
  }

  /** Keeps other processes from ordering at the same time; undefined when one does. */
  lock(): ReturnType<Disk["lock"]> {
    return systemDisk.lock(`${this.#folder}/lock`);
  }

  /** The key of the account with this authority, PEM. */
  accountKey(directory: string): string | undefined {
    return this.#read(this.#accountFile(directory));
  }

  keepAccountKey(directory: string, pem: string): void {
    this.#write(this.#accountFile(directory), pem);
  }

  /** An account that the authority does not know any more is of no use. */
  forgetAccount(directory: string): void {
    if (this.accountKey(directory) !== undefined) systemDisk.unlink(this.#accountFile(directory));
  }

  /** The certificate in force: its key first, then the chain, PEM. */
  certificate(): string | undefined {
    return this.#read(this.#certificate);
  }

  keepCertificate(pem: string): void {
    this.#write(this.#certificate, pem);
  }

  state(): AcmeState {
    return readState(this.#read(`${this.#folder}/state.json`));
  }

  keepState(state: AcmeState): void {
    this.#write(`${this.#folder}/state.json`, `${JSON.stringify(state)}\n`);
  }

  #accountFile(directory: string): string {
    return `${this.#folder}/account-${
      directory.replace(/^https:\/\//, "").replace(/[^\w.-]+/g, "_").slice(0, 150)
    }.pem`;
  }

  #read(path: string): string | undefined {
    try {
      return readPlain(path, LARGEST).toString("latin1");
    } catch (error) {
      if (isNotThere(error)) return undefined;
      throw error;
    }
  }

  /** A whole new file takes the old one's place: who reads finds one or the other. */
  #write(path: string, text: string): void {
    const file = replaceFile(path, { mode: SECRET, keepExisting: false });
    try {
      file.write(Buffer.from(text, "latin1"), 0);
    } catch (error) {
      file.abandon();
      throw error;
    }
    file.commit();
  }
}
