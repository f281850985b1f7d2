import { splitList, splitListRaw } from "../config/syntax/list.ts";
import type { Facts } from "./policy.ts";
import type { AskedAbout, RelayEffect } from "./restriction.ts";
import type { RestrictionDeps } from "./restriction_deps.ts";

/** Never lets a stranger through. */
export const NEVER: RelayEffect = { is: "never" };

/** Refuses a stranger, whatever he says. */
export const CLOSES: RelayEffect = { is: "closes" };

/** Refuses a stranger who writes to a foreign recipient. */
export const CLOSES_RELAY: RelayEffect = { is: "closes", by: "recipient" };

/** check_relay_domains: the same, but for clients that we relay for. */
export const CLOSES_BUT_FOR_CLIENTS: RelayEffect = {
  is: "closes",
  by: "recipient",
  unless: "check_relay_domains: clients with a verified name in relay_domains",
};

/** Has the last word on whoever would be let through. */
export const DEFERS: RelayEffect = { is: "closes", by: "deferral" };

/** Lets mail to our own and relay domains through. */
export const DESTINATION: RelayEffect = { is: "destination" };

/** The item of a list that a passage is told for. */
interface Named {
  readonly name: string;
  readonly argument: string;
}

/** An access table decides, asked about this part of the session. */
export function asks(about: AskedAbout): (own: Named) => RelayEffect {
  return ({ argument: spec }) => ({ is: "asks", spec, about });
}

/** Whether any client is asked for a certificate; nobody shows one unasked. */
function asksClients(settings: RestrictionDeps["settings"]): boolean {
  return settings.smtpd_tls_ask_ccert || settings.smtpd_tls_req_ccert;
}

/** check_ccert_access: `type:name`, or `{ type:name { search_order = ... } }`. */
export function asksCertificate({ argument }: Named, { settings }: RestrictionDeps): RelayEffect {
  if (!asksClients(settings)) return NEVER;
  return { is: "asks", spec: splitListRaw(argument)[0] ?? argument, about: "certificate" };
}

/** A DNS list of good clients decides. */
export function dnsList({ name, argument }: Named): RelayEffect {
  return { is: "unknown", why: `${name}: whoever ${argument} lists may relay` };
}

/** permit_tls_clientcerts: a certificate that anybody makes for himself shows whether relay_clientcerts has them all. */
export function ownCertificate(_named: Named, { settings }: RestrictionDeps): RelayEffect {
  if (!asksClients(settings)) return NEVER;
  return {
    is: "tried",
    want: { tls: OWN_CERTIFICATE },
    text: "any client certificate is in relay_clientcerts",
  };
}

/** permit_tls_all_clientcerts: the authorities of smtpd_tls_CAfile and smtpd_tls_CApath decide. */
export function trustedCertificate({ name }: Named, { settings }: RestrictionDeps): RelayEffect {
  if (!asksClients(settings)) return NEVER;
  const why =
    `${name}: whoever has a certificate from an authority of smtpd_tls_CAfile or smtpd_tls_CApath may relay`;
  return { is: "unknown", why };
}

/** Whether AUTH admits those who do not say who they are (smtpd_sasl_security_options without noanonymous). */
function admitsAnonymous({ settings }: RestrictionDeps): boolean {
  const options = [settings.smtpd_sasl_security_options, settings.smtpd_sasl_tls_security_options];
  return settings.smtpd_sasl_auth_enable &&
    options.some((text) => !splitList(text).some((word) => word.toLowerCase() === "noanonymous"));
}

/** permit_sasl_authenticated: a stranger is nobody who logs in, and an anonymous login is none. */
export function ownLogin({ name }: Named, { settings }: RestrictionDeps): RelayEffect {
  if (!settings.smtpd_sasl_auth_enable) return NEVER;
  const want = { saslUsername: "user", saslMethod: "PLAIN" };
  return { is: "session", want, text: `${name}: whoever logs in`, stated: "surely" };
}

/** check_sasl_access: also an anonymous login has a name. */
export function asksLogin(_named: Named, restrictionDeps: RestrictionDeps): RelayEffect {
  if (!admitsAnonymous(restrictionDeps)) return NEVER;
  const want = { saslUsername: "anonymous", saslMethod: "ANONYMOUS" };
  return { is: "tried", want, text: "an anonymous login (smtpd_sasl_security_options has no noanonymous)" };
}

/** permit_mx_backup: the DNS of the recipient's domain decides. */
export function mxBackup({ name }: Named, { mxBackupNetworks }: RestrictionDeps): RelayEffect {
  const text = mxBackupNetworks === undefined
    ? `${name}: whoever owns a domain may name this host as its backup MX; ` +
      "permit_mx_backup_networks limits that to known primary MX hosts"
    : `${name}: domains whose primary MX hosts are in permit_mx_backup_networks`;
  return { is: "session", want: {}, text, stated: mxBackupNetworks === undefined ? "loosely" : "surely" };
}

/** A certificate that anybody can make for himself. */
export const OWN_CERTIFICATE: NonNullable<Facts["tls"]> = {
  protocol: "TLSv1.3",
  cipher: "TLS_AES_256_GCM_SHA384",
  keysize: 256,
  peer: {
    trusted: false,
    fingerprint: "5E:1F:51:6E:ED:00:00:00:00:00:00:00:00:00:00:00:00:00:00:01",
    publicKeyFingerprint: "5E:1F:51:6E:ED:00:00:00:00:00:00:00:00:00:00:00:00:00:00:02",
    subject: "stranger",
    issuer: "stranger",
  },
};
