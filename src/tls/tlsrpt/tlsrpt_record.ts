import type { Address } from "../../address/address.ts";
import { mailtoAddress } from "../../address/mailto.ts";

/** Where a domain wants reports to go (RFC 8460 §3). */
export type ReportUri =
  | { readonly is: "mailto"; readonly address: Address }
  | { readonly is: "https"; readonly host: string; readonly port: number; readonly path: string };

/** Places that one report is sent to. */
const MOST_URIS = 10;

/**
 * Where reports go, from the TXT records of `_smtp._tls.DOMAIN`; undefined when the domain wants none: no such record, several of them,
 * or one that is none. Places that cannot be reached by mailto or https are left out.
 */
export function reportUris(texts: readonly string[]): readonly ReportUri[] | undefined {
  const records = texts.filter((text) => VERSION.test(text));
  if (records.length !== 1) return undefined;
  const fields = records[0]!.replace(VERSION, "").split(/[ \t]*;[ \t]*/);
  const rua = fields.find((field) => field.startsWith("rua="))?.slice("rua=".length);
  if (rua === undefined) return undefined;
  const uris = rua.split(/[ \t]*,[ \t]*/).slice(0, MOST_URIS).map(parseReportUri);
  return uris.filter((uri) => uri !== undefined);
}

const VERSION = /^v=TLSRPTv1[ \t]*;[ \t]*/;

function parseReportUri(text: string): ReportUri | undefined {
  const address = mailtoAddress(text);
  if (address !== undefined) return { is: "mailto", address };
  return /^https:/i.test(text) ? https(text.trim()) : undefined;
}

function https(text: string): ReportUri | undefined {
  const url = /[\x00-\x20\x7f-\uffff]/.test(text) ? null : URL.parse(text);
  if (url === null || url.protocol !== "https:" || url.username !== "" || url.password !== "") {
    return undefined;
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { is: "https", host, port: Number(url.port || 443), path: url.pathname + url.search };
}

/** The place as its domain wrote it, for log lines. */
export function printReportUri(uri: ReportUri): string {
  if (uri.is === "mailto") return `mailto:${uri.address}`;
  return `https://${uri.host}${uri.port === 443 ? "" : `:${uri.port}`}${uri.path}`;
}
