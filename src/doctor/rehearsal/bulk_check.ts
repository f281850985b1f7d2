import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { type MessageExpectation, type MessageFacts, valuesOf } from "./message_facts.ts";

const NAME = "unsubscribe";

/** `List-Unsubscribe: <https://DOMAIN/u/TOKEN>`, and the one value of the other field (RFC 8058 §3.1). */
const ONE_CLICK = /^List-Unsubscribe=One-Click$/i;
const HTTPS = /<https:\/\/[^>\s]+>/i;
const MAILTO = /<mailto:[^>\s]+>/i;

/** Whether people can take themselves off the list with one click: large receivers demand it of mail that goes to many. */
export function checkBulk(
  facts: MessageFacts,
  { bulk, domain, signed }: Pick<MessageExpectation, "bulk" | "domain" | "signed">,
): CheckResult[] {
  const one = (name: string) => valuesOf(facts, name)[0];
  const [list, post] = [one("list-unsubscribe"), one("list-unsubscribe-post")];
  const looksBulk = one("list-id") !== undefined || list !== undefined ||
    /^(?:bulk|list)$/i.test(one("precedence") ?? "");
  if (!bulk && !looksBulk) return [];
  const fix =
    `List-Unsubscribe: <https://${domain}/unsubscribe/TOKEN> and List-Unsubscribe-Post: List-Unsubscribe=One-Click`;
  // Discussion lists are not advertising: it is demanded only where it is said that the mail goes to many.
  const say = bulk ? problem : warning;
  if (list === undefined) return [say(NAME, "no List-Unsubscribe: field", { fix })];
  if (!HTTPS.test(list)) {
    const what = MAILTO.test(list) ? "has a mail address alone" : "has no <https://...>";
    return [say(NAME, `List-Unsubscribe: ${what}: one click does not take anybody off`, { fix })];
  }
  if (post === undefined || !ONE_CLICK.test(post)) {
    return [
      say(
        NAME,
        `List-Unsubscribe-Post: ${post === undefined ? "is missing" : "is not List-Unsubscribe=One-Click"}`,
        { fix },
      ),
    ];
  }
  const unsigned = signed === undefined
    ? []
    : ["list-unsubscribe", "list-unsubscribe-post"].filter((name) => !signed.includes(name));
  if (unsigned.length > 0) {
    return [say(NAME, `${unsigned.join(" and ")} not signed: receivers pass over what is not (RFC 8058 §4)`, {
      fix: "add them to dkim_signed_headers",
    })];
  }
  return [ok(NAME, "one click takes people off the list (RFC 8058)")];
}
