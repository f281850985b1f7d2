import type { LoginLedger } from "../anvil/login_ledger.ts";
import { parseBans, printBans } from "../anvil/remembered_bans.ts";
import type { MasterWorld } from "./master_world.ts";
import { systemErrorText } from "../platform/system_error.ts";

/** Bans that outlive a restart are written down so long after they have changed, in milliseconds: under attack they come by the hundred. */
const DELAY = 5000;

/** What it is kept with. */
interface KeptBansOptions {
  readonly ledger: Pick<LoginLedger, "remembered" | "restore">;
  readonly world: Pick<MasterWorld, "after" | "bansIn">;
  readonly dataDirectory: () => string;
  readonly warn: (text: string) => void;
}

/** Who is shut out stays so when the service is started again: `data_directory/logins/bans`. */
export class KeptBans {
  readonly #options: KeptBansOptions;
  #cancel: (() => void) | undefined;
  /** The same trouble is told once. */
  #told = "";

  constructor(options: KeptBansOptions) {
    this.#options = options;
  }

  /** Shuts out who was before. */
  restore(): void {
    const { ledger, world, dataDirectory } = this.#options;
    const text = this.#tried("read", () => world.bansIn(dataDirectory()).read());
    if (text !== undefined) ledger.restore(parseBans(text));
  }

  /** Somebody was shut out, or is let in again. */
  changed(): void {
    this.#cancel ??= this.#options.world.after(DELAY, () => {
      this.#cancel = undefined;
      this.#write();
    });
  }

  /** The service ends: what has changed is written down now. */
  stop(): void {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    this.#write();
  }

  #write(): void {
    const { ledger, world, dataDirectory } = this.#options;
    this.#tried("write", () => world.bansIn(dataDirectory()).write(printBans(ledger.remembered())));
  }

  #tried<T>(what: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      const why = `cannot ${what} ${this.#options.dataDirectory()}/logins/bans: ${systemErrorText(error)}`;
      if (this.#told !== why) this.#options.warn(`${why}: who is shut out will not be after a restart`);
      this.#told = why;
      return undefined;
    }
  }
}
