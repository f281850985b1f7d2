import type { DnsAnswer } from "../../dns/answer.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { SignatureKind } from "../../platform/crypto/signature.ts";
import { type KeyRecord, parseKeyRecord } from "./key_record.ts";

/** A key was found; there is none that can be used; or nobody could say. */
export type KeyAnswer =
  | { readonly is: "found"; readonly record: KeyRecord }
  | { readonly is: "absent"; readonly why: string }
  | { readonly is: "trouble"; readonly why: string };

/** Records at one name that are looked into; there should be one. */
const RECORDS_LIMIT = 8;

/** Asks for the key of a selector (RFC 6376 §3.6.2). Of several records the first that can be used counts. */
export async function findKey(
  resolver: Pick<Resolver, "txt">,
  { domain, selector, kind }: {
    readonly domain: string;
    readonly selector: string;
    readonly kind: SignatureKind;
  },
  signal?: AbortSignal,
): Promise<KeyAnswer> {
  return readKeyAnswer(await resolver.txt(`${selector}._domainkey.${domain}`, signal), kind);
}

function readKeyAnswer(answer: DnsAnswer<"TXT">, kind: SignatureKind): KeyAnswer {
  if (answer.is === "trouble") {
    return { is: answer.retry ? "trouble" : "absent", why: `key cannot be looked up: ${answer.why}` };
  }
  if (answer.is !== "records") return { is: "absent", why: "no key" };
  let why: string | undefined;
  for (const { text } of answer.records.slice(0, RECORDS_LIMIT)) {
    const record = parseKeyRecord(text);
    if ("fault" in record) why ??= record.fault;
    else if (record.key.kind !== kind) why ??= "key is of another kind";
    else return { is: "found", record };
  }
  return { is: "absent", why: why ?? "no key" };
}
