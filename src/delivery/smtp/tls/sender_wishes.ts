import type { Envelope } from "../../../queue/envelope.ts";
import { type ClientLevel, mustMatch, type PolicyDraft } from "../../../tls/client_policy.ts";
import type { ClientTlsSettings } from "../../../tls/client/client_tls_settings.ts";
import { type Failure, localFailure } from "../failure.ts";
import type { RequireTlsLevel } from "./requiretls_policy.ts";

/** Which wishes of senders about TLS count (RFC 8689). */
export interface WishSettings {
  /** requiretls_enable. */
  readonly requireTls: boolean;
  /** tls_required_enable. */
  readonly tlsRequired: boolean;
}

type Wished = Pick<Envelope, "requireTls" | "tlsNotRequired">;

/** The sender demands TLS all the way. */
export function demandsRequireTls({ requireTls }: Wished, settings: WishSettings): boolean {
  return settings.requireTls && requireTls === true;
}

/** The sender would rather have no TLS than no delivery; REQUIRETLS overrules it. */
export function goesWithoutTls(envelope: Wished, settings: WishSettings): boolean {
  return settings.tlsRequired && envelope.tlsNotRequired === true && !demandsRequireTls(envelope, settings);
}

/** The most that may be demanded of a server then: no table, DANE or MTA-STS is asked (RFC 8689 §5). */
export function limitedPolicy({ level, wrapperMode }: ClientTlsSettings): PolicyDraft {
  const most = wrapperMode ? "encrypt" : "may";
  const isBelow = level === "none" || level === "may" || level === most;
  return { level: isBelow ? level : most, isGiven: false, isLimited: true };
}

const ASKED = "Sender requested REQUIRETLS, but";

/** A host whose policy of TLS is weaker than the sender demands is not spoken to; undefined when it may be. */
export function tooWeak(demand: RequireTlsLevel, level: ClientLevel, host: string): Failure | undefined {
  const last = `The last attempted server was ${host}`;
  const own = `${ASKED} my configured TLS security level '${level}' disables`;
  switch (demand) {
    case "enforce":
      return mustMatch(level) ? undefined : localFailure("5.7.10", `${own} certificate matching. ${last}`);
    case "opportunistic+starttls":
      return level === "none" ? localFailure("5.7.10", `${own} encryption. ${last}`) : undefined;
    case "error":
      return localFailure("4.7.10", `REQUIRETLS policy configuration error. ${last}`);
    default:
      return undefined;
  }
}

/** What is worth a line where less than the sender's demand is enough. */
export function weakNote(demand: RequireTlsLevel, level: ClientLevel, host: string): string | undefined {
  if (demand !== "opportunistic+starttls" || mustMatch(level)) return undefined;
  return `${ASKED} my configured TLS security level '${level}' disables certificate matching. ` +
    `The last attempted server was ${host}`;
}

/** A failure that another host may not have: it is final with the last one only. */
function untilLast(status: string, text: string): Failure {
  return { ...localFailure(status, text), softUntilLast: true };
}

export const NOT_MET = {
  notOffered: (name: string) => untilLast("5.7.30", `${ASKED} TLS service was not offered by host ${name}`),
  refused: (name: string, reply: string) =>
    untilLast("5.7.10", `${ASKED} host ${name} refused to start TLS: ${reply}`),
  notVerified: (name: string, isTrusted: boolean) =>
    untilLast(
      "5.7.10",
      `${ASKED} no ${isTrusted ? "matching" : "trusted"} server certificate was found. ` +
        `The last attempted server was ${name}`,
    ),
  unknown: (name: string) =>
    untilLast(
      "5.7.30",
      `${ASKED} no server was found that supports REQUIRETLS. The last attempted server was ${name}`,
    ),
} as const;

/** The line about a server that does not know it, where it need not. */
export function unknownNote(name: string): string {
  return `${ASKED} REQUIRETLS support was not offered by host ${name}`;
}
