import type { Setting } from "../scope.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { commentText, splitMatchList } from "../syntax/list.ts";

/** Lists that something is looked for in: there a word that begins with `#` ends the list (postconf(5)). */
const MATCH_LISTS: ReadonlySet<string> = new Set([
  "authorized_flush_users",
  "authorized_mailq_users",
  "authorized_submit_users",
  "authorized_verp_clients",
  "debug_peer_list",
  "fast_flush_domains",
  "lmtp_connection_cache_destinations",
  "masquerade_exceptions",
  "mydestination",
  "mynetworks",
  "parent_domain_matches_subdomains",
  "permit_mx_backup_networks",
  "qmqpd_authorized_clients",
  "relay_domains",
  "smtp_connection_cache_destinations",
  "smtpd_authorized_verp_clients",
  "smtpd_authorized_xclient_hosts",
  "smtpd_authorized_xforward_hosts",
  "smtpd_client_connection_limit_exceptions",
  "smtpd_client_event_limit_exceptions",
  "smtpd_forbid_bare_newline_exclusions",
  "smtpd_forbidden_commands",
  "smtpd_log_access_permit_actions",
  "smtpd_noop_commands",
  "smtpd_sasl_exceptions_networks",
  "virtual_alias_domains",
  "virtual_mailbox_domains",
]);

/** Comments behind the items of such a list: they and all that follows them are left off. */
export function checkComments(settings: readonly Setting[]): Diagnostic[] {
  return settings.filter(({ name }) => MATCH_LISTS.has(name)).flatMap(
    ({ name, value, file, line, service }) => {
      const { comment } = splitMatchList(value);
      if (comment === undefined) return [];
      return [{
        level: "warning" as const,
        text: commentText(name, comment.replaceAll("\n", " ")),
        file,
        ...(line !== undefined && { line }),
        ...(service !== undefined && { service }),
        parameter: name,
        value,
        hint: "it ends the list: write it on a line of its own",
      }];
    },
  );
}
