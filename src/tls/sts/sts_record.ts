/**
 * The id of a domain's MTA-STS record, from the TXT records of `_mta-sts.DOMAIN` (RFC 8461 §3.1); undefined when the domain
 * has no MTA-STS: no such record, several of them, or one that is none.
 */
export function stsRecordId(texts: readonly string[]): string | undefined {
  const records = texts.filter((text) => VERSION.test(text));
  if (records.length !== 1) return undefined;
  const fields = records[0]!.replace(VERSION, "").split(DELIMITER);
  // A final delimiter is allowed.
  if (fields.at(-1) === "") fields.pop();
  if (fields.length === 0 || !fields.every((field) => FIELD.test(field))) return undefined;
  const ids = fields.filter((field) => field.startsWith("id="));
  return ids.length === 1 && ID.test(ids[0]!) ? ids[0]!.slice(3) : undefined;
}

const VERSION = /^v=STSv1[ \t]*;[ \t]*/;
const DELIMITER = /[ \t]*;[ \t]*/;
const ID = /^id=[A-Za-z0-9]{1,32}$/;
const FIELD = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+[ \t]*$/;

/** A record with that id, as a domain publishes it. */
export function printStsRecord(id: string): string {
  return `v=STSv1; id=${id};`;
}
