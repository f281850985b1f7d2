import { WaitQueue } from "../base/wait_queue.ts";
import { connect } from "../platform/socket/connection.ts";
import { openDatagrams } from "../platform/socket/udp.ts";
import type { Address, AddressAnswer, DnsAnswer, Families } from "./answer.ts";
import { DnsCache, lifetimeOf } from "./cache.ts";
import { exchange, type Server, type Wire } from "./exchange.ts";
import { interpret } from "./interpret.ts";
import { parseResponse, printedName, printQuery, type Response } from "./message.ts";
import { anyName, type NameKind, queryName, reverseName } from "./name.ts";
import type { RecordType } from "./record.ts";

/** Looks names up in the DNS. Never rejects for a DNS reason: what went wrong is a `trouble` answer. */
export interface Resolver {
  /**
   * Records of one type; CNAMEs are followed. An aborted signal gives `trouble`. A name that is no host's is not asked about, unless
   * `names` says "any".
   */
  query<Type extends RecordType>(
    name: string,
    type: Type,
    signal?: AbortSignal,
    names?: NameKind,
  ): Promise<DnsAnswer<Type>>;
  /** Mail exchangers, unsorted as the server gave them. A null MX is one record with exchange "" (RFC 7505). */
  mx(name: string, signal?: AbortSignal): Promise<DnsAnswer<"MX">>;
  /** Addresses of the wanted families, in that order; a temporary failure counts before a lasting one when there are none. */
  addresses(name: string, families: Families, signal?: AbortSignal): Promise<AddressAnswer>;
  /** The PTR records of an IP address. */
  ptr(address: string, signal?: AbortSignal): Promise<DnsAnswer<"PTR">>;
  txt(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TXT">>;
  tlsa(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TLSA">>;
}

/** What a resolver needs to know. */
export interface ResolverOptions {
  /** Tried in this order; one that failed lately is tried last. */
  readonly servers: readonly Server[];
  /** Milliseconds to wait for one answer; default 5000 (resolv.conf(5) `timeout`). */
  readonly timeout?: number;
  /** Rounds over the servers; default 2 (resolv.conf(5) `attempts`). */
  readonly attempts?: number;
  /** Answers kept; default 10000. */
  readonly cacheLimit?: number;
  /** Queries on the wire at a time; default 256. Sixteen times as many may wait, more get `trouble`. */
  readonly concurrency?: number;
  /** Asks for DNSSEC validation, and says whose word counts. Without it no answer is `authentic`. */
  readonly trustsAd?: (server: Server) => boolean;
  readonly wire?: Wire;
  /** Milliseconds. */
  readonly now?: () => number;
  /** A random 16-bit number that cannot be predicted (RFC 5452 §9.2). */
  readonly randomId?: () => number;
}

/** The system's sockets. */
export const SYSTEM_WIRE: Wire = { udp: openDatagrams, tcp: connect };

/** How long a server that failed comes last, in milliseconds. */
const SHUNNED = 30_000;
/** Longest chain of CNAMEs over several responses. */
const CHAIN = 8;

/** A 16-bit number from the system's generator. */
export function cryptographicId(): number {
  return crypto.getRandomValues(new Uint16Array(1))[0]!;
}

/** A stub resolver: asks recursive name servers over UDP and TCP, keeps answers for their time to live. */
export function createResolver(options: ResolverOptions): Resolver {
  return new StubResolver(options);
}

interface Settled<Type extends RecordType> {
  readonly answer: DnsAnswer<Type>;
  readonly negativeTtl: number | undefined;
}

/** A question on its way, for all who ask it meanwhile. */
interface Lookup {
  readonly answer: Promise<DnsAnswer>;
  readonly ending: AbortController;
  /** Who waits for the answer. */
  waiting: number;
}

const ABORTED = { is: "trouble", why: "aborted", retry: true } as const;

class StubResolver implements Resolver {
  readonly #servers: readonly Server[];
  readonly #timeout: number;
  readonly #attempts: number;
  readonly #trustsAd: ((server: Server) => boolean) | undefined;
  readonly #wire: Wire;
  readonly #now: () => number;
  readonly #randomId: () => number;
  readonly #cache: DnsCache;
  readonly #inFlight = new Map<string, Lookup>();
  readonly #failedAt = new Map<Server, number>();
  readonly #gate: Gate;

  constructor(options: ResolverOptions) {
    this.#servers = options.servers;
    this.#timeout = options.timeout ?? 5000;
    this.#attempts = options.attempts ?? 2;
    this.#trustsAd = options.trustsAd;
    this.#wire = options.wire ?? SYSTEM_WIRE;
    this.#now = options.now ?? Date.now;
    this.#randomId = options.randomId ?? cryptographicId;
    this.#cache = new DnsCache(options.cacheLimit ?? 10_000);
    this.#gate = new Gate(options.concurrency ?? 256);
  }

  async query<Type extends RecordType>(
    text: string,
    type: Type,
    signal?: AbortSignal,
    names: NameKind = "hosts",
  ): Promise<DnsAnswer<Type>> {
    const name = text === "." ? "" : names === "any" ? anyName(text) : queryName(text);
    if (name === undefined) return { is: "nxdomain", authentic: false, invalid: true };
    const key = `${type} ${name}`;
    const known = this.#cache.get(key, this.#now()) ?? loopbackName(name, type);
    if (known !== undefined) return known as DnsAnswer<Type>; // the key holds the type
    if (signal?.aborted) return ABORTED;
    const lookup = this.#inFlight.get(key) ?? this.#begin(name, type, key);
    return await this.#answerOf(lookup, key, signal) as DnsAnswer<Type>; // the key holds the type
  }

  mx(name: string, signal?: AbortSignal): Promise<DnsAnswer<"MX">> {
    return this.query(name, "MX", signal);
  }

  txt(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TXT">> {
    return this.query(name, "TXT", signal);
  }

  tlsa(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TLSA">> {
    return this.query(name, "TLSA", signal);
  }

  ptr(address: string, signal?: AbortSignal): Promise<DnsAnswer<"PTR">> {
    return ptrBy(this, address, signal);
  }

  addresses(name: string, families: Families, signal?: AbortSignal): Promise<AddressAnswer> {
    return addressesBy(this, name, families, signal);
  }

  #begin(name: string, type: RecordType, key: string): Lookup {
    const ending = new AbortController();
    const answer = this.#lookUp(name, type, key, ending.signal).finally(() => {
      if (this.#inFlight.get(key) === lookup) this.#inFlight.delete(key);
    });
    const lookup: Lookup = { answer, ending, waiting: 0 };
    this.#inFlight.set(key, lookup);
    return lookup;
  }

  /** The lookup's answer, or `trouble` as soon as the caller gives up. One for which nobody waits any more ends, and leaves its place to others. */
  #answerOf(lookup: Lookup, key: string, signal: AbortSignal | undefined): Promise<DnsAnswer> {
    lookup.waiting++;
    if (signal === undefined) return lookup.answer;
    return new Promise((resolve, reject) => {
      const aborted = () => {
        resolve(ABORTED);
        if (--lookup.waiting > 0) return;
        if (this.#inFlight.get(key) === lookup) this.#inFlight.delete(key);
        lookup.ending.abort();
      };
      signal.addEventListener("abort", aborted, { once: true });
      lookup.answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
    });
  }

  /** Shared by all who ask meanwhile, so no single caller's signal stops it; it ends by its own time-outs, or with the last of them. */
  async #lookUp(name: string, type: RecordType, key: string, signal: AbortSignal): Promise<DnsAnswer> {
    if (!await this.#gate.enter(signal)) {
      return signal.aborted ? ABORTED : { is: "trouble", why: "too many lookups at a time", retry: true };
    }
    try {
      const { answer, negativeTtl } = await this.#followed(name, type, signal);
      if (signal.aborted) return ABORTED;
      this.#cache.set(key, answer, lifetimeOf(answer, negativeTtl), this.#now());
      return answer;
    } finally {
      this.#gate.leave();
    }
  }

  /** Asks again for the end of a CNAME chain where a server did not follow it itself. One alias that is not validated taints the end. */
  async #followed<Type extends RecordType>(
    name: string,
    type: Type,
    signal: AbortSignal,
  ): Promise<Settled<Type>> {
    let at = name;
    let tainted = false;
    for (let step = 0; step < CHAIN; step++) {
      const response = await this.#ask(at, type, signal);
      if ("is" in response) return { answer: response, negativeTtl: undefined };
      const meaning = interpret(response, printedName(at), type);
      if (meaning.is === "answer") {
        const answer = tainted ? notAuthentic(meaning.answer) : meaning.answer;
        return { answer, negativeTtl: response.negativeTtl };
      }
      tainted ||= !response.authentic;
      const next = queryName(meaning.name);
      if (next === undefined) {
        return { answer: { is: "nodata", authentic: false }, negativeTtl: undefined };
      }
      at = next;
    }
    return { answer: { is: "trouble", why: "CNAME loop", retry: true }, negativeTtl: undefined };
  }

  /** Goes over the servers until one gives a usable response; a refusal is kept in case nobody does better. */
  async #ask(name: string, type: RecordType, signal: AbortSignal): Promise<Response | DnsAnswer<never>> {
    let refusal: Response | undefined;
    for (let round = 0; round < this.#attempts; round++) {
      for (const server of this.#order()) {
        const response = await this.#askServer(server, name, type, signal);
        if (signal.aborted) return ABORTED;
        if (response === undefined) {
          this.#failedAt.set(server, this.#now());
          continue;
        }
        if (response.rcode === "NOERROR" || response.rcode === "NXDOMAIN") {
          this.#failedAt.delete(server);
          return response;
        }
        refusal = response;
      }
      if (refusal !== undefined) return refusal;
    }
    return { is: "trouble", why: "Host not found, try again", retry: true };
  }

  async #askServer(
    server: Server,
    name: string,
    type: RecordType,
    signal: AbortSignal,
  ): Promise<Response | undefined> {
    const dnssec = this.#trustsAd !== undefined;
    for (const edns of [true, false]) {
      if (signal.aborted) return undefined;
      const question = printQuery(this.#randomId(), name, type, { edns, dnssec });
      const answer = await exchange(this.#wire, server, question, { timeout: this.#timeout, signal });
      if (answer.is === "failed") return undefined;
      const response = parseResponse(answer.bytes);
      // An old server may know no EDNS (RFC 6891 §7).
      if (edns && (response?.rcode === "FORMERR" || response?.rcode === "NOTIMP")) continue;
      if (response === undefined || !response.authentic || this.#trustsAd?.(server)) return response;
      return { ...response, authentic: false };
    }
    return undefined;
  }

  #order(): readonly Server[] {
    if (this.#failedAt.size === 0) return this.#servers;
    const since = this.#now() - SHUNNED;
    const shunned = (server: Server) => (this.#failedAt.get(server) ?? -Infinity) > since;
    return [
      ...this.#servers.filter((server) => !shunned(server)),
      ...this.#servers.filter(shunned),
    ];
  }
}

function notAuthentic<Type extends RecordType>(answer: DnsAnswer<Type>): DnsAnswer<Type> {
  return answer.is === "trouble" ? answer : { ...answer, authentic: false };
}

/** `localhost` means this machine whether or not a server says so (RFC 6761 §6.3). */
function loopbackName(name: string, type: RecordType): DnsAnswer | undefined {
  if (name !== "localhost" && !name.endsWith(".localhost")) return undefined;
  if (type !== "A" && type !== "AAAA") return { is: "nodata", authentic: false };
  const record = { type, name, ttl: 0, address: type === "A" ? "127.0.0.1" : "::1" };
  return { is: "records", records: [record], canonical: name, authentic: false };
}

/** The PTR records of an address, by a resolver's queries. */
export async function ptrBy(
  resolver: Pick<Resolver, "query">,
  address: string,
  signal?: AbortSignal,
): Promise<DnsAnswer<"PTR">> {
  const name = reverseName(address);
  if (name === undefined) return { is: "nxdomain", authentic: false, invalid: true };
  return await resolver.query(name, "PTR", signal);
}

/** The addresses of a name, by a resolver's queries. */
export async function addressesBy(
  resolver: Pick<Resolver, "query">,
  name: string,
  families: Families,
  signal?: AbortSignal,
): Promise<AddressAnswer> {
  const types = families.map((family) => family === 4 ? "A" as const : "AAAA" as const);
  const answers = await Promise.all(types.map((type) => resolver.query(name, type, signal)));
  const found: Address[] = [];
  for (const answer of answers) {
    if (answer.is !== "records") continue;
    const owner = { canonical: answer.canonical, authentic: answer.authentic };
    for (const { type, address, ttl } of answer.records) {
      found.push({ address, family: type === "A" ? 4 : 6, ttl, owner });
    }
  }
  if (found.length > 0) {
    const authentic = answers.every((answer) => answer.is !== "trouble" && answer.authentic);
    return { is: "records", addresses: found, authentic };
  }
  return worstOf(answers.map((answer, i) => ({ answer, type: types[i]! })));
}

/** The failure that decides: one that may pass before one that lasts, and of equals the last (dns_lookup(3)'s rule). */
function worstOf(
  failures: readonly { readonly answer: DnsAnswer<"A" | "AAAA">; readonly type: "A" | "AAAA" }[],
): AddressAnswer {
  const rank = { trouble: 3, nxdomain: 1, nodata: 1, records: 0 };
  let worst: AddressAnswer | undefined;
  for (const { answer, type } of failures) {
    if (answer.is === "records") continue;
    if (worst === undefined || rank[answer.is] >= rank[worst.is]) worst = { ...answer, type };
  }
  return worst ?? { is: "trouble", why: "no address family is enabled", retry: true, type: "A" };
}

/** Lets a bounded number in at a time, a bounded number wait, and turns the rest away. */
class Gate {
  #free: number;
  readonly #limit: number;
  readonly #queue = new WaitQueue();
  #waiting = 0;

  constructor(concurrency: number) {
    this.#free = concurrency;
    this.#limit = concurrency * 16;
  }

  /** False when too many wait already, and when the signal comes first. */
  async enter(signal: AbortSignal): Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    if (this.#waiting >= this.#limit) return false;
    this.#waiting++;
    try {
      await this.#queue.wait(signal);
      return true;
    } catch {
      return false;
    } finally {
      this.#waiting--;
    }
  }

  leave(): void {
    if (!this.#queue.next()) this.#free++;
  }
}
