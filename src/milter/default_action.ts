import { splitListRaw, stripBraces } from "../config/syntax/list.ts";
import { defer, refuse, type Reply } from "../smtp/reply.ts";

/** A filter as smtpd_milters names it. */
export interface Milter {
  /** `inet:host:port`, `unix:/path`. */
  readonly endpoint: string;
  /** Its own default_action, else milter_default_action. */
  readonly defaultAction: string;
}

/** What mail meets whose filters cannot be asked. */
export type UnaskedVerdict =
  | { readonly is: "pass" }
  | { readonly is: "hold" }
  | { readonly is: "refuse"; readonly reply: Reply };

/** The verdict, and what the log says of each filter on the way to it. */
export interface Unasked {
  readonly verdict: UnaskedVerdict;
  readonly warnings: readonly string[];
}

const PASS: UnaskedVerdict = { is: "pass" };
const HOLD: UnaskedVerdict = { is: "hold" };
const refused = (reply: Reply): UnaskedVerdict => ({ is: "refuse", reply });
const UNAVAILABLE = refused(refuse(550, "5.5.0", "Service unavailable"));
const TRY_AGAIN = refused(defer(451, "4.7.1", "Service unavailable - try again later"));
const MISCONFIGURED = refused(defer(451, "4.3.5", "Server configuration problem - try again later"));

/** Reads a list of filters: `inet:host:port`, `{ inet:host:port, default_action=accept, ... }` (smtpd_milters). */
export function parseMilters(text: string, defaultAction: string): readonly Milter[] {
  return splitListRaw(text).map((item) => {
    const inner = item.startsWith("{") ? stripBraces(item) : item;
    if (typeof inner !== "string") return { endpoint: item, defaultAction: "" };
    const [endpoint = "", ...attributes] = splitListRaw(inner).map(withoutBraces);
    const own = attributes.map((each) => /^\s*default_action\s*=\s*(.*?)\s*$/.exec(each)?.[1]);
    return { endpoint, defaultAction: own.findLast((each) => each !== undefined) ?? defaultAction };
  });
}

function withoutBraces(item: string): string {
  const inner = item.startsWith("{") ? stripBraces(item) : item;
  return typeof inner === "string" ? inner : item;
}

/** Filters are asked one after the other, up to the first that does not let the mail pass (milter(8), Postfix's order). */
export function unasked(milters: readonly Milter[]): Unasked {
  const warnings: string[] = [];
  for (const { endpoint, defaultAction } of milters) {
    const verdict = verdictOf(endpoint, defaultAction.toLowerCase(), warnings);
    if (verdict.is !== "pass") return { verdict, warnings };
  }
  return { verdict: PASS, warnings };
}

function verdictOf(endpoint: string, action: string, warnings: string[]): UnaskedVerdict {
  const transport = endpoint.split(":", 1)[0]!;
  const known = transport === "inet" || transport === "unix" || transport === "local";
  if (known) warnings.push(`connect to Milter service ${endpoint}: milters are not supported yet`);
  else warnings.push(`invalid transport name: ${transport} in Milter service: ${endpoint}`);
  if (action === "accept") return PASS;
  if (action === "quarantine") return HOLD;
  if (!known) return MISCONFIGURED;
  if (action === "tempfail") return TRY_AGAIN;
  if (action === "reject") return UNAVAILABLE;
  warnings.push(`milter ${endpoint}: unrecognized default action: ${action}`);
  return MISCONFIGURED;
}
