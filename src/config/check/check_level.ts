import { isHonoured } from "./check_honoured.ts";
import { parseLevel } from "../compatibility_level.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import type { Scope } from "../scope.ts";

/** Defaults that a level changes, and the settings that make each of no account (COMPATIBILITY_README). */
const CHANGES: readonly {
  readonly level: string;
  readonly name: string;
  readonly settledBy: readonly string[];
}[] = [
  { level: "1", name: "append_dot_mydomain", settledBy: [] },
  { level: "1", name: "smtputf8_enable", settledBy: [] },
  { level: "1", name: "smtpd_relay_restrictions", settledBy: [] },
  { level: "2", name: "relay_domains", settledBy: [] },
  { level: "2", name: "mynetworks_style", settledBy: ["mynetworks"] },
  { level: "3.6", name: "smtpd_relay_before_recipient_restrictions", settledBy: [] },
  { level: "3.6", name: "respectful_logging", settledBy: [] },
  { level: "3.6", name: "smtpd_tls_fingerprint_digest", settledBy: [] },
  { level: "3.6", name: "smtp_tls_fingerprint_digest", settledBy: [] },
  { level: "3.6", name: "lmtp_tls_fingerprint_digest", settledBy: [] },
];

/** The level at which no old default is left. */
const LATEST = "3.6";

/** Says once which defaults are those of older releases because compatibility_level says so, or says nothing (postconf(5)). */
export function checkOldDefaults(scope: Scope): Diagnostic[] {
  const level = levelOf(scope);
  if (level === undefined) return [];
  const old = CHANGES.filter(({ level: changed, name, settledBy }) =>
    isHonoured(name) &&
    level < parseLevel(changed)! && ![name, ...settledBy].some((each) => scope.setting(each) !== undefined)
  );
  if (old.length === 0) return [];
  const values = old.map(({ name }) => `${name}=${scope.expanded(name)}`).join(", ");
  const text = "Postfix is using backwards-compatible default settings";
  return [{
    ...scope.complaint("compatibility_level", scope.expanded("compatibility_level") ?? "", text, undefined),
    level: "warning",
    hint: `${values}; compatibility_level = ${LATEST} gives today's`,
  }];
}

function levelOf(scope: Scope): number | undefined {
  try {
    return parseLevel(scope.expanded("compatibility_level") ?? "0");
  } catch {
    return undefined;
  }
}
