import { pauseWhenDue } from "../base/pause_when_due.ts";
import { WaitQueue } from "../base/wait_queue.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { SignatureKind } from "../platform/crypto/signature.ts";
import { readArcChain } from "./arc/arc_chain.ts";
import type { ArcResult } from "./arc/arc_result.ts";
import { checkChain, type ReadChain, readSets, type SetKeys } from "./arc/check_chain.ts";
import { BodyHashes } from "./dkim/body_hashes.ts";
import { fieldValue, SignedHeader } from "./dkim/canonical_header.ts";
import { type CheckedContent, checkSignature } from "./dkim/check_signature.ts";
import type { DkimResult } from "./dkim/dkim_result.ts";
import { findKey, type KeyAnswer } from "./dkim/find_key.ts";
import { type DkimField, readDkimField, readDomain } from "./dkim/signature_field.ts";
import { withoutSpace } from "./tags/tag_list.ts";

/** What verifying asks of the world. */
export interface VerifierWorld {
  readonly resolver: Pick<Resolver, "txt">;
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/** What a message's own signatures say. */
export interface ContentResult {
  /** One for each signature that was looked at, from the top; empty where there is none. */
  readonly dkim: readonly DkimResult[];
  /** Signatures beyond the limit, which were not looked at. */
  readonly ignored: number;
  readonly arc: ArcResult;
}

/** Most signatures of a message that are looked at, from the top (RFC 6376 §6.1). */
const SIGNATURES_LIMIT = 10;

/** Keys of a message that are asked for at a time: a chain may name a hundred, and others have lookups too. */
const KEYS_AT_A_TIME = 3;

interface Candidate {
  readonly place: number;
  readonly field: DkimField;
}

interface KeyName {
  readonly domain: string;
  readonly selector: string;
  readonly kind: SignatureKind;
}

/** Verifies the DKIM signatures and the ARC chain of a message as it comes by: the header, then the body, then the end. Holds no body. */
export class ContentVerifier {
  readonly #world: VerifierWorld;
  readonly #bodies = new BodyHashes();
  readonly #keys = new Map<string, Promise<KeyAnswer>>();
  readonly #unasked = new WaitQueue();
  #asking = 0;
  #header = new SignedHeader([]);
  #candidates: readonly Candidate[] = [];
  #ignored = 0;
  #chain: ReadChain = { is: "settled", result: { is: "none", links: [], highest: 0 } };

  constructor(world: VerifierWorld) {
    this.#world = world;
  }

  /** The whole header: fields in wire form, one character a byte, each ending in CR LF, from the top. Lookups of keys begin here. */
  header(fields: readonly string[]): void {
    this.#header = new SignedHeader(fields);
    const places = this.#header.placesOf("dkim-signature");
    this.#ignored = Math.max(0, places.length - SIGNATURES_LIMIT);
    this.#candidates = places.slice(0, SIGNATURES_LIMIT)
      .map((place) => ({ place, field: readDkimField(fieldValue(fields[place]!)) }));
    for (const { field: { read } } of this.#candidates) {
      if (!("is" in read)) this.#prepare(read, read);
    }
    this.#chain = readSets(readArcChain(this.#header), this.#header);
    if (this.#chain.is === "settled") return;
    for (const { signature, sealed } of this.#chain.sets) {
      this.#prepare(signature, signature);
      this.#key(sealed);
    }
  }

  /** The next bytes of body, behind the empty line. */
  body(bytes: Uint8Array): void {
    this.#bodies.push(bytes);
  }

  async end(): Promise<ContentResult> {
    const content = { header: this.#header, bodies: this.#bodies, now: this.#world.now() };
    const dkim: DkimResult[] = [];
    for (const candidate of this.#candidates) {
      dkim.push(await this.#judge(candidate, content));
      await pauseWhenDue();
    }
    return { dkim: told(dkim), ignored: this.#ignored, arc: await this.#judgeChain(content) };
  }

  #prepare(
    { body, length }: { readonly body: "simple" | "relaxed"; readonly length: number | undefined },
    key: KeyName,
  ): void {
    this.#bodies.want(body, length);
    this.#key(key);
  }

  /** Asks for a key once. */
  #key({ domain, selector, kind }: KeyName): Promise<KeyAnswer> {
    const name = `${kind} ${selector}._domainkey.${domain}`;
    const asked = this.#keys.get(name);
    if (asked !== undefined) return asked;
    const answer = this.#find({ domain, selector, kind });
    answer.catch(() => {}); // Heard at the end, which a message may never reach.
    this.#keys.set(name, answer);
    return answer;
  }

  async #find(name: KeyName): Promise<KeyAnswer> {
    const { resolver, signal } = this.#world;
    if (this.#asking < KEYS_AT_A_TIME) this.#asking++;
    else {
      try {
        await this.#unasked.wait(signal);
      } catch {
        return { is: "trouble", why: "key cannot be looked up: no time left" };
      }
    }
    try {
      return await findKey(resolver, name, signal);
    } finally {
      if (!this.#unasked.next()) this.#asking--;
    }
  }

  async #judge({ place, field: { tags, read } }: Candidate, content: CheckedContent): Promise<DkimResult> {
    const said = (name: string) => tags.get(name) ?? "";
    // What is no domain is nobody's to look up in tables, or to be told of: it may be as long as a header.
    const domain = "is" in read ? readDomain(said("d")) ?? "" : read.domain;
    const common = {
      domain,
      selector: said("s"),
      identity: tags.get("i") ?? `@${domain}`,
      algorithm: said("a").toLowerCase(),
      b: withoutSpace(said("b")),
    };
    if ("is" in read) return { ...read, ...common, testing: false };
    return { ...checkSignature(read, place, await this.#key(read), content), ...common };
  }

  async #judgeChain(content: CheckedContent): Promise<ArcResult> {
    if (this.#chain.is === "settled") return this.#chain.result;
    const { sets } = this.#chain;
    const keys: SetKeys[] = [];
    for (const { sealed, signature } of sets) {
      keys.push({ seal: await this.#key(sealed), signature: await this.#key(signature) });
    }
    return await checkChain(sets, keys, content);
  }
}

/** Fewest letters of a signature that tell which one is meant (RFC 6008 §4), and the most that are tried. */
const LETTERS = 8;
const MOST_LETTERS = 64;

/** Results with as much of `b=` as tells them apart. */
function told(results: readonly DkimResult[]): DkimResult[] {
  return results.map((result) => ({ ...result, b: result.b.slice(0, lettersNeeded(result, results)) }));
}

function lettersNeeded({ b }: DkimResult, results: readonly DkimResult[]): number {
  let letters = LETTERS;
  const others = results.filter((other) => other.b !== b);
  while (
    letters < Math.min(b.length, MOST_LETTERS) &&
    others.some((other) => other.b.startsWith(b.slice(0, letters)))
  ) letters++;
  return letters;
}
