import type { MaybeAsync } from "../../base/maybe_async.ts";
import { then } from "../../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { Reply } from "../../smtp/reply.ts";
import { printReply } from "../../smtp/reply.ts";
import type { Answer } from "../../table/table.ts";
import type { Facts } from "../policy.ts";
import { expandTemplate, type TemplateRules } from "./reply_template.ts";

/** Where the footer's text comes from. */
export interface FooterRules extends TemplateRules {
  /** The parameter's value; "" adds nothing. */
  readonly smtpd_reject_footer: string;
  /** smtpd_reject_footer_maps, asked with the reply as it stands; undefined when not configured. */
  readonly maps: ((reply: string) => MaybeAsync<Answer>) | undefined;
}

/** Adds the text of smtpd_reject_footer to a 4xx or 5xx reply; the log shows the reply without it (postconf(5)). */
export type RejectFooter = (reply: Reply, facts: Facts) => MaybeAsync<Reply>;

/** The settings of the footer. */
export const FOOTER_PARAMETERS = [
  "myhostname",
  "smtpd_client_port_logging",
  "smtpd_expansion_filter",
  "smtpd_reject_footer",
  "smtpd_reject_footer_maps",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type FooterSettings = SettingsOf<typeof FOOTER_PARAMETERS>;

/** The footer of a service; undefined when none is configured. */
export function createServiceFooter(
  settings: FooterSettings,
  openTables: OpenTables,
  clock: () => number,
): RejectFooter | undefined {
  const maps = openTables.maps(settings.smtpd_reject_footer_maps, "smtpd_reject_footer_maps");
  return createRejectFooter({
    myhostname: settings.myhostname,
    smtpd_client_port_logging: settings.smtpd_client_port_logging,
    smtpd_expansion_filter: settings.smtpd_expansion_filter,
    smtpd_reject_footer: settings.smtpd_reject_footer,
    clock,
    maps: maps === undefined ? undefined : (reply) => maps.whole.find(reply),
  });
}

/** Builds the footer from its rules. */
function createRejectFooter(rules: FooterRules): RejectFooter | undefined {
  const { maps } = rules;
  const fallback = rules.smtpd_reject_footer;
  if (maps === undefined) {
    if (fallback === "") return undefined;
    return (reply, facts) => reply.code < 400 ? reply : withFooter(reply, fallback, facts, rules);
  }
  return (reply, facts) => {
    if (reply.code < 400) return reply;
    return then(maps(printReply(reply).trimEnd()), (answer) => {
      const template = answer.is === "found" ? answer.value : fallback;
      return template === "" ? reply : withFooter(reply, template, facts, rules);
    });
  };
}

/** `\n` in the template starts a new line, `\c` at its beginning goes on with the reply's last line. */
function withFooter(reply: Reply, template: string, facts: Facts, rules: TemplateRules): Reply {
  const joins = template.startsWith("\\c");
  const lines: string[] = [];
  for (const part of (joins ? template.slice(2) : template).split("\\n")) {
    const expanded = expandTemplate(part, facts, rules);
    if (expanded.is === "error") return reply;
    lines.push(expanded.text);
  }
  if (!joins) return { ...reply, lines: [...reply.lines, ...lines] };
  const last = reply.lines.length - 1;
  return {
    ...reply,
    lines: [...reply.lines.slice(0, last), reply.lines[last]! + lines[0]!, ...lines.slice(1)],
  };
}
