import type { TlsContext } from "../../platform/socket/tls_context.ts";
import type { ChainFault, Chains } from "./chain.ts";
import { loadLastGood, loadOwnChains, NO_SERVER_CERTIFICATE, type OwnChains } from "./chain_files.ts";
import { type OwnFiles, pathsOf } from "./chain_parameters.ts";
import { FreshFiles, type FreshFilesWorld } from "../fresh_files.ts";

/** What a side's certificates need of the machine and of the side. */
export interface OwnCertificatesOptions {
  readonly files: OwnFiles;
  readonly world: FreshFilesWorld & {
    /** The text of a file, read here or lent by master. Throws the system's error. */
    read(path: string): string;
    /** What was in these files when they were good last, if this process has not seen that itself. */
    lastGood?(paths: readonly string[]): string | undefined;
  };
  /** Makes the side's context of these chains and whatever else belongs in (protocols, ciphers, authorities). May throw. */
  makeContext(chains: Chains): TlsContext;
  /** Hears what came of each attempt to read the files: the first, and one whenever they have changed. */
  heard?(attempt: Attempt): void;
}

/** What came of reading the files. */
export type Attempt =
  | { readonly is: "loaded"; readonly chains: Chains; readonly notes: readonly string[] }
  /** New connections get what was there before. */
  | { readonly is: "kept"; readonly fault: ChainFault }
  /** There is nothing from before. */
  | { readonly is: "unavailable"; readonly fault: ChainFault };

/** Our certificates and keys of a side, as new connections are to have them: a renewed file counts within seconds, a broken one does not. */
export class OwnCertificates {
  readonly #options: OwnCertificatesOptions;
  readonly #fresh: FreshFiles;
  #context: TlsContext | undefined;
  #chains: Chains = new Map();
  #fault: ChainFault | undefined;
  #isRead = false;

  constructor(options: OwnCertificatesOptions) {
    this.#options = options;
    this.#fresh = new FreshFiles(pathsOf(options.files).map(({ path }) => path), options.world);
  }

  /**
   * The context for a new connection; undefined when there is none: `trouble` says why. Reads the files at the first call, and
   * when they have changed; else it costs a look at them a second at most.
   */
  current(): TlsContext | undefined {
    if (!this.#isRead || this.#fresh.haveChanged()) this.#read();
    return this.#context;
  }

  /** The chains that `current()` shows. */
  get chains(): Chains {
    return this.#chains;
  }

  /** What is wrong with the files, when the last attempt to read them failed: `current()` may have the context of before. */
  get trouble(): ChainFault | undefined {
    return this.#fault;
  }

  #read(): void {
    this.#isRead = true;
    this.#fresh.reading();
    const { files, world } = this.#options;
    const loaded = loadOwnChains(files, (path) => world.read(path));
    const fault = loaded.is === "fault" ? loaded.fault : this.#use(loaded);
    if (fault?.isOfSystem === true) this.#fresh.again();
    if (fault !== undefined && this.#context === undefined) this.#useLastGood();
    const repeated = fault !== undefined && fault.fix === this.#fault?.fix;
    this.#fault = fault;
    if (fault === undefined || repeated) return;
    this.#options.heard?.({ is: this.#context === undefined ? "unavailable" : "kept", fault });
  }

  /** A worker that is started while the files are bad goes on with what the others show. */
  #useLastGood(): void {
    const { files, world, makeContext } = this.#options;
    const pem = world.lastGood?.(pathsOf(files).map(({ path }) => path));
    const before = pem === undefined ? undefined : loadLastGood(pem);
    if (before?.is !== "loaded" || before.chains.size === 0) return;
    try {
      this.#context = makeContext(before.chains);
      this.#chains = before.chains;
    } catch {
      // The fault of the files is told; there is no context then.
    }
  }

  /** Makes a context of what was read; the answer is what is wrong with it. */
  #use(loaded: Exclude<OwnChains, { is: "fault" }>): ChainFault | undefined {
    const { files, makeContext, heard } = this.#options;
    const [chains, notes]: [Chains, readonly string[]] = loaded.is === "none"
      ? [new Map(), []]
      : [loaded.chains, loaded.notes];
    if (chains.size === 0 && files.side === "smtpd") return nothingToShow(files, notes);
    try {
      this.#context = makeContext(chains);
    } catch (error) {
      return notMade(files, error);
    }
    this.#chains = chains;
    heard?.({ is: "loaded", chains, notes });
    return undefined;
  }
}

function nothingToShow({ side, isNone }: OwnFiles, notes: readonly string[]): ChainFault {
  const instead = `set ${side}_tls_chain_files to a file with a key and its certificate`;
  const fix = isNone
    ? `${side}_tls_cert_file = none: there are no ciphers without a certificate here; ${instead}`
    : instead;
  return { words: [...notes, NO_SERVER_CERTIFICATE], fix, isOfSystem: false };
}

/** Files are good and yet there is no context: a parameter of the side, or a key that the library takes no certificate for. */
function notMade({ side }: OwnFiles, error: unknown): ChainFault {
  const why = error instanceof Error ? error.message : String(error);
  return {
    words: [`cannot create the TLS context of ${side}: ${why}: disabling TLS support`],
    fix: `see the ${side}_tls_ parameters`,
    isOfSystem: false,
  };
}
