import { printable } from "../../base/printable.ts";
import type { Association } from "../x509/association.ts";
import { readCertificate } from "../x509/certificate.ts";
import type { DaneDigests } from "./dane_digests.ts";
import { isPublicKey } from "../../platform/certificate_signature.ts";

/** What a TLSA record says (RFC 6698 §2.1). */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly data: Uint8Array;
}

/** Records that a client of mail can do something with, and what is to be said of the others. */
export interface TlsaChoice<Record> {
  readonly usable: readonly Record[];
  readonly warnings: readonly string[];
}

const TRUST_ANCHOR = 2;
const END_ENTITY = 3;
/** Postfix's own, for fingerprints: of no meaning in the DNS. */
const RESERVED_TYPE = 255;

/**
 * The records that are of use for mail: those of an own certificate (3) or trust anchor (2). The public authorities of 0 and 1 are not
 * asked here (RFC 7672 §3.1.3). `owner` is the name that was asked for, and where its aliases ended.
 */
export function choosePurposes<Record extends TlsaRecord>(
  records: readonly Record[],
  owner: { readonly asked: string; readonly canonical: string },
): TlsaChoice<Record> {
  const isAlias = owner.asked.toLowerCase() !== owner.canonical.toLowerCase();
  const whose = isAlias ? `${owner.asked} -> ${owner.canonical}` : owner.canonical;
  return choose(records, (record) => {
    if (record.usage !== TRUST_ANCHOR && record.usage !== END_ENTITY) {
      return `${whose} unsupported TLSA certificate usage`;
    }
    return record.matchingType === RESERVED_TYPE ? `${whose} reserved private-use matching type` : undefined;
  });
}

/** A TLSA record as what vouches for a server. */
export interface DaneAssociation extends Association {
  readonly record: TlsaRecord;
}

/**
 * The associations of a host's records, the first that is to be tried first. What cannot match anything is left out with a warning,
 * and of several digests of the same thing all but the strongest (RFC 7671 §9). `whom` is `host[address]:port`.
 */
export function daneAssociations(
  records: readonly TlsaRecord[],
  digests: DaneDigests,
  whom: string,
): TlsaChoice<DaneAssociation> {
  const { usable, warnings } = choose(
    records,
    (record) => isUsable(record, digests) ? undefined : `${whom}: unusable TLSA RR`,
  );
  const strength = ({ matchingType }: TlsaRecord) => digests.get(matchingType)?.strength ?? 0;
  const rivals = ({ usage, selector }: TlsaRecord) =>
    usable.filter((other) => other.usage === usage && other.selector === selector);
  const counting = usable.filter((record) =>
    record.matchingType === 0 || strength(record) === Math.max(...rivals(record).map(strength))
  );
  const sorted = counting.toSorted((a, b) =>
    b.usage - a.usage || b.selector - a.selector || strength(b) - strength(a)
  );
  return { usable: sorted.map((record) => associationOf(record, digests)), warnings };
}

/** Tells one that comes from a TLSA record from the operator's own. */
export function isDaneAssociation(association: Association): association is DaneAssociation {
  return "record" in association;
}

function choose<Record extends TlsaRecord>(
  records: readonly Record[],
  problemOf: (record: Record) => string | undefined,
): TlsaChoice<Record> {
  const warnings: string[] = [];
  const usable = records.filter((record) => {
    const problem = problemOf(record);
    if (problem !== undefined) warnings.push(`${printable(problem)}: ${recordText(record)}`);
    return problem === undefined;
  });
  return { usable, warnings };
}

/** Whether a record can match anything: it speaks of a certificate (0) or key (1), and holds a digest that is known, or all of it. */
function isUsable({ selector, matchingType, data }: TlsaRecord, digests: DaneDigests): boolean {
  if (selector > 1 || data.length === 0) return false;
  if (matchingType !== 0) return digests.get(matchingType)?.length === data.length;
  const whole = Buffer.from(data);
  const certificate = selector === 0 ? readCertificate(whole)?.publicKey : whole;
  return certificate !== undefined && isPublicKey(certificate);
}

function associationOf(record: TlsaRecord, digests: DaneDigests): DaneAssociation {
  return {
    whose: record.usage === END_ENTITY ? "server" : "authority",
    of: record.selector === 0 ? "certificate" : "key",
    digest: digests.get(record.matchingType)?.algorithm,
    data: Buffer.from(record.data),
    record,
  };
}

/** Bytes that are shown from each end of long data. */
const SHOWN = 32;

/** `3 1 1 0A1B...`. */
export function recordText({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${shownHex(data) || "..."}`;
}

/** The log lines about records that were found (smtp_tls_loglevel = 2, or `dane`). */
export function recordLines(owner: string, records: readonly TlsaRecord[]): readonly string[] {
  return records.map((record) => `DNSSEC-signed TLSA record: ${owner}: ${recordText(record)}`);
}

/** Bytes as log lines show them; of many both ends. */
export function shownHex(data: Uint8Array): string {
  const hex = Buffer.from(data).toString("hex").toUpperCase();
  return data.length <= 2 * SHOWN ? hex : `${hex.slice(0, 2 * SHOWN)}...${hex.slice(-2 * SHOWN)}`;
}

/** The log line about what has matched; `depth` counts from the server's own certificate. */
export function daneMatchLine(
  whom: string,
  { record }: DaneAssociation,
  match: { readonly depth: number; readonly bareKey: boolean },
): string {
  const what = match.bareKey
    ? "TA public key verified certificate"
    : match.depth > 0
    ? "TA certificate"
    : "EE certificate";
  return `${whom}: Matched DANE ${what} at depth ${match.depth}: ${recordText(record)}`;
}
