import type { DnsAnswer } from "../../dns/answer.ts";
import { anyName } from "../../dns/name.ts";
import type { RecordOf, RecordType } from "../../dns/record.ts";
import type { Resolver } from "../../dns/resolver.ts";

/** What a lookup of an evaluation came to. */
export type SpfAnswer<Type extends RecordType> =
  | {
    readonly is: "records";
    readonly records: readonly RecordOf<Type>[];
    readonly malformed: readonly string[];
  }
  /** No such name, or no such record: a void lookup (RFC 7208 §4.6.4). */
  | { readonly is: "void" }
  /** The text is no name that could be looked up (RFC 7208 §4.8). */
  | { readonly is: "unaskable" }
  /** Anything else than an answer (RFC 7208 §5). */
  | { readonly is: "trouble"; readonly why: string };

/** The DNS as SPF sees it: names may have any characters, and only "yes" and "no such thing" are answers (RFC 7208 §5). */
export async function askSpf<Type extends RecordType>(
  resolver: Pick<Resolver, "query">,
  name: string,
  type: Type,
  signal: AbortSignal,
): Promise<SpfAnswer<Type>> {
  if (signal.aborted) return { is: "trouble", why: `${name} ${type}: no time left` };
  if (anyName(name) === undefined) return { is: "unaskable" };
  return meaningOf(await resolver.query(name, type, signal, "any"), `${name} ${type}`);
}

function meaningOf<Type extends RecordType>(answer: DnsAnswer<Type>, what: string): SpfAnswer<Type> {
  switch (answer.is) {
    case "records":
      return { is: "records", records: answer.records, malformed: answer.malformed ?? [] };
    case "nodata":
    case "nxdomain":
      return { is: "void" };
    case "trouble":
      // Records that name no host are there all the same; those that the operator leaves out are not.
      if (answer.malformed !== undefined) return { is: "records", records: [], malformed: answer.malformed };
      return answer.filter === "empty" ? { is: "void" } : { is: "trouble", why: `${what}: ${answer.why}` };
  }
}
