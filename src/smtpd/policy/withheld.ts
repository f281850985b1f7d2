import { refuse, type Reply } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";

const NO_DSN = refuse(501, "5.7.1", "DSN support is disabled");

/** The refusal of a parameter of MAIL or RCPT that belongs to a keyword which is kept from the client. */
export function withheldParameter({ facts, settings }: Context, words: readonly string[]): Reply | undefined {
  const { withheld } = facts;
  const withoutRequireTls = !settings.requireTls || facts.tls === undefined || withheld.has("REQUIRETLS");
  if (withheld.size === 0 && settings.smtputf8 && !withoutRequireTls) return undefined;
  const withoutUtf8 = withheld.has("SMTPUTF8") || !settings.smtputf8;
  for (const word of words.slice(3)) {
    if (withheld.has("DSN") && /^(?:RET|ENVID|NOTIFY|ORCPT)=/i.test(word)) return NO_DSN;
    const unsupported = (withoutUtf8 && /^SMTPUTF8$/i.test(word)) ||
      (withoutRequireTls && /^REQUIRETLS$/i.test(word));
    if (unsupported) return refuse(555, "5.5.4", `Unsupported option: ${word}`);
  }
}
