import type { Scope } from "../scope.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { textOf } from "./check_main.ts";

/** Says that dmarc_reports has nothing to report where nothing is checked: by the scopes of all smtpd services. */
export function checkDmarcReports(scope: Scope, smtpds: readonly Scope[]): Diagnostic[] {
  const setting = scope.setting("dmarc_reports");
  if (setting === undefined || textOf(scope, "dmarc_reports") !== "yes") return [];
  if (smtpds.some((each) => textOf(each, "mail_authentication") === "yes")) return [];
  const { name, value } = setting;
  const text =
    "dmarc_reports = yes, but there is nothing to report: no smtpd service has mail_authentication";
  return [{
    ...scope.complaint(name, value, text, undefined),
    level: "warning",
    hint: "mail_authentication = yes checks the mail of strangers",
  }];
}
