import { type Address, splitAddress } from "../../address/address.ts";
import { mailtoAddress } from "../../address/mailto.ts";

/** A place that a domain wants reports at. */
export interface ReportUri {
  readonly address: Address;
  /** Whose place it is: the domain of the address, in lower case. */
  readonly host: string;
  /** Bytes of a report that it takes; undefined without a limit. */
  readonly most?: number | undefined;
}

/** Places that one report is sent to. */
const MOST_URIS = 10;

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** What the `rua` tag of a DMARC record says; "" when there is none. */
export function ruaOf(record: string): string {
  return /;[ \t]*rua[ \t]*=([^;]*)/i.exec(record)?.[1]?.trim() ?? "";
}

/** The places that a `rua` names, with limits of size (RFC 7489 §6.2, `!10m`). What is none, or no mailto, is left out. */
export function reportUris(rua: string): readonly ReportUri[] {
  const found = new Map<string, ReportUri>();
  for (const text of rua.split(",")) {
    const uri = parseReportUri(text.trim());
    if (uri !== undefined && !found.has(uri.address)) found.set(uri.address, uri);
    if (found.size === MOST_URIS) break;
  }
  return [...found.values()];
}

function parseReportUri(text: string): ReportUri | undefined {
  const [, uri = "", digits, unit = ""] = /^([^!]*)(?:!([0-9]{1,12})([kmgt]?))?$/i.exec(text) ?? [];
  const address = mailtoAddress(uri);
  if (address === undefined) return undefined;
  const most = digits === undefined ? undefined : Number(digits) * UNITS[unit.toLowerCase()]!;
  return { address, host: splitAddress(address).domain.toLowerCase(), most };
}
