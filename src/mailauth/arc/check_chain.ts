import { pauseWhenDue } from "../../base/pause_when_due.ts";
import {
  bitsProblem,
  type Checked,
  type CheckedContent,
  checkSignature,
  isSigned,
  withoutSignature,
} from "../dkim/check_signature.ts";
import { fieldValue, type SignedHeader } from "../dkim/canonical_header.ts";
import type { KeyAnswer } from "../dkim/find_key.ts";
import { readSignature, type SignatureField } from "../dkim/signature_field.ts";
import { parseTagList } from "../tags/tag_list.ts";
import { type ArcChain, type ArcSet, resultsOf } from "./arc_chain.ts";
import type { ArcLink, ArcResult } from "./arc_result.ts";
import { readSealField, type SealField } from "./seal_field.ts";

/** A set whose fields were read. */
export interface ReadSet extends ArcSet {
  readonly signature: SignatureField;
  readonly sealed: SealField;
}

/** The sets, the first first; or why the chain fails already. */
export type ReadChain =
  | { readonly is: "read"; readonly sets: readonly ReadSet[] }
  | { readonly is: "settled"; readonly result: ArcResult };

const REQUIRED = ["i", "a", "b", "bh", "d", "h", "s"];

/** Reads the fields of a chain and checks what needs no keys (RFC 8617 §5.2 steps 1 to 3). */
export function readSets(chain: ArcChain, header: SignedHeader): ReadChain {
  if (chain.is === "none") return settled({ is: "none", links: [], highest: 0 });
  if (chain.is === "broken") {
    return settled({ is: "fail", why: chain.why, links: [], highest: chain.highest });
  }
  const highest = chain.sets.length;
  const sets: ReadSet[] = [];
  const failed = (why: string) => settled({ is: "fail", why, links: linksOf(sets, header), highest });
  for (const set of chain.sets) {
    const sealed = readSealField(fieldValue(header.fields[set.seal]!));
    if (typeof sealed === "string") return failed(`seal ${set.instance}: ${sealed}`);
    const signature = readMessageSignature(fieldValue(header.fields[set.messageSignature]!));
    if (typeof signature === "string") return failed(`message signature ${set.instance}: ${signature}`);
    sets.push({ ...set, sealed, signature });
  }
  if (sets.at(-1)?.sealed.validation === "fail") return failed(`the chain had failed before set ${highest}`);
  for (const { instance, sealed } of sets) {
    if (sealed.validation !== (instance === 1 ? "none" : "pass")) {
      return failed(`seal ${instance}: wrong cv=`);
    }
  }
  return { is: "read", sets };
}

function settled(result: ArcResult): ReadChain {
  return { is: "settled", result };
}

/** An ARC-Message-Signature; a text says what is wrong with it. */
function readMessageSignature(value: string): SignatureField | string {
  const tags = parseTagList(value);
  if ("fault" in tags) return tags.fault;
  const field = readSignature(tags, REQUIRED);
  if ("is" in field) return field.why;
  // A seal comes after the signature of its own set, and changes with the next one (RFC 8617 §4.1.2).
  const signsSeal = field.names.some((name) => name.toLowerCase() === "arc-seal");
  return signsSeal ? "h= may not name ARC-Seal" : field;
}

function linksOf(sets: readonly ReadSet[], header: SignedHeader): ArcLink[] {
  return sets.map(({ instance, sealed, signature, authenticationResults }) => ({
    instance,
    domain: sealed.domain,
    selector: sealed.selector,
    signatureDomain: signature.domain,
    authenticationResults: resultsOf(header.fields[authenticationResults]!),
  })).reverse();
}

/** The answers to the lookups of the keys of one set. */
export interface SetKeys {
  readonly seal: KeyAnswer;
  readonly signature: KeyAnswer;
}

/** Judges a chain by its keys, the newest set first (RFC 8617 §5.2 steps 4 to 7). */
export async function checkChain(
  sets: readonly ReadSet[],
  keys: readonly SetKeys[],
  content: CheckedContent,
): Promise<ArcResult> {
  const common = { links: linksOf(sets, content.header), highest: sets.length };
  const newest = sets.length - 1;
  const message = checkMessage(sets[newest]!, keys[newest]!, content);
  if (message.is !== "pass") {
    return failure(`message signature ${newest + 1}: ${message.why}`, message.is === "temperror");
  }
  for (let at = newest; at >= 0; at--) {
    const seal = checkSeal(sets, at, keys[at]!.seal, content.header);
    if (seal !== undefined) return failure(`seal ${at + 1}: ${seal.why}`, seal.temporary);
    await pauseWhenDue();
  }
  const { unsignedBytes } = message;
  return {
    is: "pass",
    ...common,
    oldestPass: await oldestPass(sets, keys, content),
    ...(unsignedBytes !== undefined && { unsignedBytes }),
  };

  function failure(why: string, temporary: boolean): ArcResult {
    return { is: "fail", why, ...common, ...temporary ? { temporary } : {} };
  }
}

function checkMessage(set: ReadSet, keys: SetKeys, content: CheckedContent): Checked {
  return checkSignature(set.signature, set.messageSignature, keys.signature, content);
}

/** What is wrong with a seal, if anything: it is over all sets up to its own (RFC 8617 §5.1.1). */
function checkSeal(
  sets: readonly ReadSet[],
  at: number,
  key: KeyAnswer,
  header: SignedHeader,
): { readonly why: string; readonly temporary: boolean } | undefined {
  if (key.is !== "found") return { why: key.why, temporary: key.is === "trouble" };
  const { record } = key;
  const problem = bitsProblem(record)?.why;
  if (problem !== undefined) return { why: problem, temporary: false };
  const { seal, sealed } = sets[at]!;
  const data = sealedBefore(sets.slice(0, at + 1), header) +
    withoutSignature(header.fields[seal]!, "relaxed");
  return isSigned(data, record, sealed.signature)
    ? undefined
    : { why: "signature did not verify", temporary: false };
}

/** What the seal of the last of these sets is over, but for itself. */
export function sealedBefore(sets: readonly ArcSet[], header: SignedHeader): string {
  let text = "";
  for (const [at, set] of sets.entries()) {
    text += header.canonical(set.authenticationResults, "relaxed");
    text += header.canonical(set.messageSignature, "relaxed");
    if (at < sets.length - 1) text += header.canonical(set.seal, "relaxed");
  }
  return text;
}

/** The lowest instance from which on all message signatures hold; 0 where all do. */
async function oldestPass(
  sets: readonly ReadSet[],
  keys: readonly SetKeys[],
  content: CheckedContent,
): Promise<number> {
  for (let at = sets.length - 2; at >= 0; at--) {
    await pauseWhenDue();
    if (checkMessage(sets[at]!, keys[at]!, content).is !== "pass") return at + 2;
  }
  return 0;
}
