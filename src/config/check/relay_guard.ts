import { splitList } from "../syntax/list.ts";

/** Any of these, reached before a `permit`, keeps strangers from relaying. */
const GUARDS = [
  "reject_unauth_destination",
  "defer_unauth_destination",
  "reject",
  "defer",
  "defer_if_permit",
  "check_relay_domains",
] as const;

/** Texts of the lists that must keep the server from being an open relay, and of the classes that they may use. */
export interface RelayLists {
  readonly smtpd_relay_restrictions: string;
  readonly smtpd_recipient_restrictions: string;
  classText(name: string): string | undefined;
}

/** Why the service must not start: nothing in its lists refuses mail for other people's domains (smtpd(8)). */
export function relayFlaw(lists: RelayLists): string | undefined {
  const texts = [lists.smtpd_recipient_restrictions, lists.smtpd_relay_restrictions];
  if (texts.some((text) => closesRelay(splitList(text), lists, []))) return undefined;
  return "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, " +
    "specify at least one working instance of: " +
    `${GUARDS.slice(0, -1).join(", ")} or ${GUARDS[GUARDS.length - 1]}`;
}

function closesRelay(items: readonly string[], lists: RelayLists, inside: readonly string[]): boolean {
  for (let at = 0; at < items.length; at++) {
    const name = items[at]!.toLowerCase();
    if (name === "warn_if_reject" && at + 1 < items.length) {
      at++;
      continue;
    }
    if (name === "permit") return false;
    if (GUARDS.some((guard) => guard === name)) return true;
    const text = inside.includes(items[at]!) ? undefined : lists.classText(items[at]!);
    if (text !== undefined && closesRelay(splitList(text), lists, [...inside, items[at]!])) return true;
  }
  return false;
}
