import { unescape } from "../../base/unescape.ts";
import { expand } from "../../config/syntax/expand.ts";
import type { Facts } from "../policy.ts";
import { clientText } from "./client_text.ts";

/** What templates may show beside the session's facts. */
export interface TemplateRules {
  readonly myhostname: string;
  readonly smtpd_client_port_logging: boolean;
  /** Characters that may stand in an expanded value; others become `_` (smtpd_expansion_filter, with its escapes). */
  readonly smtpd_expansion_filter: string;
  /** Milliseconds since 1970. */
  clock(): number;
}

/** An expanded template and what is to be said of it, or why it cannot be expanded. */
export type Expanded =
  | { readonly is: "text"; readonly text: string; readonly warnings: readonly string[] }
  | { readonly is: "error"; readonly why: string };

/** Replaces what the filter does not allow, character by character. */
function filtered(value: string, allowed: ReadonlySet<string>): string {
  let out = "";
  for (const char of value) out += allowed.has(char) ? char : "_";
  return out;
}

/** Expands `$name` and conditionals with facts of the session; values are inserted as they are, never expanded again. */
export function expandTemplate(
  template: string,
  facts: Facts,
  rules: TemplateRules,
  more: Readonly<Record<string, string>> = {},
): Expanded {
  const allowed = new Set(unescape(rules.smtpd_expansion_filter));
  const warnings: string[] = [];
  const expanded = expand(template, (name) => {
    const value = Object.hasOwn(more, name) ? more[name] : sessionValue(name, facts, rules);
    if (value === undefined) warnings.push(`unknown macro name "${name}" in expansion request`);
    return value === undefined ? undefined : filtered(value, allowed).replaceAll("$", "$$$$");
  });
  return expanded.is === "text" ? { ...expanded, warnings } : expanded;
}

/** A macro of smtpd_reject_footer and default_rbl_reply (postconf(5)). */
function sessionValue(name: string, facts: Facts, rules: TemplateRules): string | undefined {
  switch (name) {
    case "server_name":
      return rules.myhostname;
    case "client":
      return clientText(facts.client, rules.smtpd_client_port_logging);
    case "client_port":
      return String(facts.client.port);
    case "client_address":
      return facts.client.address;
    case "client_name":
      return facts.client.name;
    case "reverse_client_name":
      return facts.client.reverseName;
    case "helo_name":
      return facts.helo ?? "";
    case "localtime":
      return localTime(rules.clock());
    default:
      return addressValue(name, "sender", facts.sender) ?? addressValue(name, "recipient", facts.recipient);
  }
}

function addressValue(name: string, prefix: string, address: string | undefined): string | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const at = address?.lastIndexOf("@") ?? -1;
  switch (name.slice(prefix.length)) {
    case "":
      return address === "" ? "<>" : address ?? "";
    case "_name":
      return address === "" ? "<>" : address?.slice(0, at < 0 ? undefined : at) ?? "";
    case "_domain":
      return at < 0 ? "" : address?.slice(at + 1) ?? "";
    default:
      return undefined;
  }
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function localTime(now: number): string {
  const date = new Date(now);
  const two = (value: number) => String(value).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${MONTHS[date.getMonth()]} ${two(date.getDate())} ${time}`;
}
