import { fieldValue, SignedHeader, unfolded } from "../dkim/canonical_header.ts";
import { printSignature, signedNames, withSignature } from "../dkim/sign_content.ts";
import type { SigningKey } from "../dkim/signing_key.ts";
import { withoutOuterSpace } from "../tags/tag_list.ts";
import { readArcChain, SETS_LIMIT } from "./arc_chain.ts";
import type { ArcResult } from "./arc_result.ts";
import { sealedBefore } from "./check_chain.ts";

/** How a message is sealed. */
export interface SealingOptions {
  /** What was found of the chain that the message came with. */
  readonly arc: ArcResult;
  /** The value of an Authentication-Results field of ours: authserv-id and results. May be folded. */
  readonly authenticationResults: string;
  /** Names of fields that the message signature covers, in lower case. From is always covered, ARC-Seal never. */
  readonly signed: readonly string[];
  readonly oversigned?: readonly string[];
  /** Milliseconds: `t=`. */
  readonly now: number;
}

/** Fields that a message signature may not or should not cover (RFC 8617 §4.1.2). */
const NEVER_SIGNED = new Set(["arc-seal", "authentication-results"]);

/**
 * The three fields of a new ARC set (RFC 8617 §5.1) with their CR LFs, to be put at the top in this order: ARC-Seal, ARC-Message-Signature,
 * ARC-Authentication-Results. Undefined where no set may be added: the chain has 50, it had failed when it was sealed last, or it could not be looked at. `fields` are
 * the header as the next hop gets it, without the new set; `bodyHash` is a relaxed `BodyHasher`'s.
 */
export function sealContent(
  fields: readonly string[],
  bodyHash: Uint8Array,
  key: SigningKey,
  options: SealingOptions,
): readonly string[] | undefined {
  const { arc } = options;
  const instance = arc.highest + 1;
  const before = new SignedHeader(fields);
  if (instance > SETS_LIMIT || arc.temporary === true || hadFailed(before)) return undefined;
  const results = `ARC-Authentication-Results: i=${instance}; ${
    withoutOuterSpace(options.authenticationResults)
  }\r\n`;
  const signature = messageSignature(before, bodyHash, key, instance, options);
  const header = new SignedHeader([signature, results, ...fields]);
  return [seal(header, key, instance, options), signature, results];
}

/** Whether a set says `cv=fail`: nothing is added behind it (RFC 8617 §5.1.2). */
function hadFailed(header: SignedHeader): boolean {
  return header.placesOf("arc-seal").some((at) =>
    /(?:^|;)cv=fail(?:;|$)/i.test(unfolded(fieldValue(header.fields[at]!)).replace(/[ \t]+/g, ""))
  );
}

function messageSignature(
  header: SignedHeader,
  bodyHash: Uint8Array,
  key: SigningKey,
  instance: number,
  { signed, oversigned = [], now }: SealingOptions,
): string {
  const may = (name: string) => !NEVER_SIGNED.has(name);
  const names = signedNames(header, signed.filter(may), oversigned.filter(may));
  const field = printSignature("ARC-Message-Signature", [
    `i=${instance}`,
    `a=${key.algorithm}`,
    "c=relaxed/relaxed",
    `d=${key.domain}`,
    `s=${key.selector}`,
    `t=${Math.floor(now / 1000)}`,
    `h=${names.join(":")}`,
    `bh=${Buffer.from(bodyHash).toString("base64")}`,
  ]);
  return withSignature(field, header.select(names, "relaxed"), key, "relaxed");
}

/** The seal over the chain and the new set; where the chain fails, over the new set alone (RFC 8617 §5.1.2). */
function seal(
  header: SignedHeader,
  key: SigningKey,
  instance: number,
  { arc, now }: SealingOptions,
): string {
  const field = printSignature("ARC-Seal", [
    `i=${instance}`,
    `a=${key.algorithm}`,
    `t=${Math.floor(now / 1000)}`,
    `cv=${arc.is}`,
    `d=${key.domain}`,
    `s=${key.selector}`,
  ]);
  return withSignature(field, sealedFields(header, arc), key, "relaxed");
}

function sealedFields(header: SignedHeader, arc: ArcResult): string {
  const own = { instance: arc.highest + 1, messageSignature: 0, authenticationResults: 1, seal: -1 };
  if (arc.is !== "pass") return sealedBefore([own], header);
  const chain = readArcChain(new SignedHeader(header.fields.slice(2)));
  const sets = chain.is !== "chain" ? [] : chain.sets.map((set) => ({
    instance: set.instance,
    messageSignature: set.messageSignature + 2,
    authenticationResults: set.authenticationResults + 2,
    seal: set.seal + 2,
  }));
  return sealedBefore([...sets, own], header);
}
