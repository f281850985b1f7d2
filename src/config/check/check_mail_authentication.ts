import { isHostname } from "../../address/hostname.ts";
import { CONTENT_WORDS } from "../parameters/restriction_names.ts";
import type { Scope } from "../scope.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { splitList } from "../syntax/list.ts";
import { textOf } from "./check_main.ts";

/** The service works all the same, and is safe; but not as somebody meant it. */
const warned = (found: Diagnostic): Diagnostic => ({ ...found, level: "warning" });

const isOn = (scope: Scope, name: string) => textOf(scope, name)?.toLowerCase() === "yes";

/** Settings of checks and seals that come to nothing; `smtpds` are the services that take mail. */
export function checkMailAuthentication(main: Scope, smtpds: readonly Scope[]): Diagnostic[] {
  const found = new Map(smtpds.flatMap(unchecked).map((each) => [each.text, each]));
  return [...sealing(main, smtpds), ...found.values()];
}

/** Restrictions on content, and forwarders, where no content is checked. */
function unchecked(scope: Scope): Diagnostic[] {
  const list = "smtpd_end_of_data_restrictions";
  const words = splitList(textOf(scope, list) ?? "").filter((word) => CONTENT_WORDS.has(word.toLowerCase()));
  const filter = textOf(scope, "smtpd_proxy_filter") ?? "";
  if (isOn(scope, "mail_authentication")) {
    if (filter === "") return [];
    const why = "mail_authentication does not act: smtpd_proxy_filter takes the content";
    return [
      warned(
        scope.complaint("mail_authentication", "yes", why, "mail_authentication = yes behind the filter"),
      ),
    ];
  }
  return words.map((word) =>
    warned(
      scope.complaint(list, word, `${word} answers 451: no content is checked`, "mail_authentication = yes"),
    )
  );
}

function sealing(main: Scope, smtpds: readonly Scope[]): Diagnostic[] {
  const name = "arc_sealing_domain";
  const domain = textOf(main, name)?.trim() ?? "";
  if (domain === "") return [];
  const say = (text: string, expected: string) => [warned(main.complaint(name, domain, text, expected))];
  if (!isHostname(domain)) {
    return [main.complaint(name, domain, `bad ${name} value: ${domain}`, "a domain, or nothing")];
  }
  if (splitList(textOf(main, "dkim_signing_keys") ?? "").length === 0) {
    return say("nothing is sealed: there are no keys", "dkim_signing_keys with one for the domain");
  }
  if (smtpds.some((scope) => isOn(scope, "mail_authentication"))) return [];
  return say("nothing is sealed: no content is checked", "mail_authentication = yes");
}
