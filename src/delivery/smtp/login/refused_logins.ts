import type { ServerReply } from "../../../smtp/reply_reader.ts";

/** Most refusals that are remembered: the oldest go first. */
const MOST = 1000;

/** Logins that servers have refused: the same one is not tried again for a while (smtp_sasl_auth_cache_name). */
export class RefusedLogins {
  readonly #patience: number;
  readonly #now: () => number;
  readonly #refused = new Map<string, { readonly reply: ServerReply; readonly at: number }>();

  /** `patience` in milliseconds; 0 = nothing is remembered. */
  constructor(patience: number, now: () => number) {
    this.#patience = patience;
    this.#now = now;
  }

  /** What the server has said to this login; undefined when it may be tried. */
  find(host: string, identity: string): ServerReply | undefined {
    const known = this.#refused.get(keyOf(host, identity));
    if (known === undefined) return undefined;
    if (this.#now() - known.at < this.#patience) return known.reply;
    this.#refused.delete(keyOf(host, identity));
    return undefined;
  }

  /** Only a 535 is about the login itself. */
  add(host: string, identity: string, reply: ServerReply): void {
    if (this.#patience === 0 || reply.code !== 535) return;
    this.#refused.delete(keyOf(host, identity));
    this.#refused.set(keyOf(host, identity), { reply, at: this.#now() });
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > MOST && oldest !== undefined) this.#refused.delete(oldest);
  }
}

const keyOf = (host: string, identity: string) => `${host.toLowerCase()} ${identity}`;
