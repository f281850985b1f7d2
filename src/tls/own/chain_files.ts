import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import type { Chain, ChainFault, Chains } from "./chain.ts";
import type { FilePair, NamedFile, OwnFiles } from "./chain_parameters.ts";
import { type ChainOrder, ChainReader, type ChainsRead } from "./chain_reader.ts";
import { readSeparate } from "./separate_files.ts";

/** Our own certificates of a side. */
export type OwnChains =
  | { readonly is: "loaded"; readonly chains: Chains; readonly notes: readonly string[] }
  /** No file is named. A server has no TLS then; a client shows nothing when it is asked. */
  | { readonly is: "none" }
  | { readonly is: "fault"; readonly fault: ChainFault };

/** What Postfix says where a server has no certificate. */
export const NO_SERVER_CERTIFICATE = "No server certs available. TLS won't be enabled";

/** The text of a file; throws the system's error. */
export type ReadText = (path: string) => string;

/** What TLS can show here (BoringSSL): it has given up DSA, which no current client takes either. */
const USABLE: ReadonlySet<string> = new Set(["rsa", "ec", "ed25519"]);

/** Reads the certificates and keys of a side: the newest of each algorithm counts, and all of them must be good. */
export function loadOwnChains({ chainFiles, chainValue, pairs }: OwnFiles, read: ReadText): OwnChains {
  const parts = chainFiles.length > 0
    ? [readAll(chainFiles, "key first", chainValue, read)]
    : pairs.map((pair) => readPair(pair, read));
  return parts.length === 0 ? { is: "none" } : together(parts);
}

/** The chains of a value of tls_server_sni_maps: PEM, each key before its certificate. `name` is what the client has asked for. */
export function loadSniChains(name: string, pem: string): OwnChains {
  const reader = new ChainReader({
    order: "key first",
    origin: `SNI data for ${name}`,
    parameter: "tls_server_sni_maps",
    consequence: "aborting TLS handshake",
  });
  reader.read(`SNI data for ${name}`, pem);
  return together([reader.end()]);
}

/** Chains that were good before, from the text that `pemOf` made of them. */
export function loadLastGood(pem: string): OwnChains {
  const reader = new ChainReader({ order: "key first", origin: "last good", parameter: "", consequence: "" });
  reader.read("last good", pem);
  return together([reader.end()]);
}

function together(parts: readonly ChainsRead[]): OwnChains {
  const chains = new Map<string, Chain>();
  const notes: string[] = [];
  for (const part of parts) {
    if (part.is === "fault") return { is: "fault", fault: part.fault };
    notes.push(...part.notes);
    for (const chain of part.chains) {
      const { algorithm } = chain.key;
      if (USABLE.has(algorithm)) chains.set(algorithm, chain);
      else {notes.push(
          `${chain.certificateSource}: a certificate for a key of ${algorithm} is not used: no TLS here can show it`,
        );}
    }
  }
  return { is: "loaded", chains, notes };
}

function readPair({ kind, certificate, key }: FilePair, read: ReadText): ChainsRead {
  if (certificate.path === key.path) return readAll([certificate], "joined", certificate.path, read);
  const texts: string[] = [];
  for (const file of [certificate, key]) {
    try {
      texts.push(read(file.path));
    } catch (error) {
      const what = file === key ? "private key" : "certificate";
      const words = [`cannot get ${kind} ${what} from file "${file.path}": disabling TLS support`];
      return { is: "fault", fault: unreadable(words, file, error) };
    }
  }
  const [certificateText = "", keyText = ""] = texts;
  return readSeparate({
    kind,
    certificate: { ...certificate, text: certificateText },
    key: { ...key, text: keyText },
  });
}

function readAll(
  files: readonly NamedFile[],
  order: ChainOrder,
  origin: string,
  read: ReadText,
): ChainsRead {
  const parameter = files[0]?.parameter ?? "";
  const reader = new ChainReader({ order, origin, parameter, consequence: "disabling TLS support" });
  for (const file of files) {
    let text: string;
    try {
      text = read(file.path);
    } catch (error) {
      const words = [`error opening chain file: ${file.path}: ${systemErrorText(error)}`];
      return { is: "fault", fault: unreadable(words, file, error) };
    }
    reader.read(file.path, text);
  }
  return reader.end();
}

/** The certificate comes from ACME, and the authority has not issued it yet. */
function notIssued(path: string): ChainFault {
  const fix =
    `acme_domains: ${path}: the first certificate is being ordered; the log and "mta acme status" say how that goes`;
  return { words: [NO_SERVER_CERTIFICATE], fix, isOfSystem: false };
}

/** What helps where a file cannot be read. */
const ADVICE: { readonly [code: string]: string } = {
  ENOENT: "name a file that is there",
  EACCES: "it is lent to the workers when root alone may read it: see who may enter the folders on the way",
};

function unreadable(words: readonly string[], { parameter, path }: NamedFile, error: unknown): ChainFault {
  const code = errorCode(error);
  if (parameter === "acme_domains" && code === "ENOENT") return notIssued(path);
  const advice = ADVICE[code];
  const fix = `${parameter}: ${path}: ${systemErrorText(error)}${advice === undefined ? "" : `; ${advice}`}`;
  return { words, fix, isOfSystem: code !== "ENOENT" };
}
