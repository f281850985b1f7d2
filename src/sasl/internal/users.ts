import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Answer } from "../../table/table.ts";
import { parseStored, type StoredPassword } from "../password/stored_password.ts";

/** What the table says of a user. */
export type FoundUser =
  | { readonly is: "found"; readonly username: string; readonly stored: readonly StoredPassword[] }
  | { readonly is: "absent" }
  | { readonly is: "trouble"; readonly why: string };

/** The tables of `sasl_users`. */
export interface UserTable {
  find(key: string): MaybeAsync<Answer>;
}

/** Longer names are nobody's: an address has 320 characters at most (RFC 5321 §4.5.3.1). */
const LONGEST = 320;

/** The form in which names are looked up and passed on: upper and lower case are the same, as in Dovecot's `%Lu`. */
function keyOf(name: string): string | undefined {
  return name === "" || name.length > LONGEST || /[\x00-\x20\x7f]/.test(name)
    ? undefined
    : name.toLowerCase();
}

/**
 * Looks a user up as he calls himself; a name without a domain also with `realm` (smtpd_sasl_local_domain), where there is one. What
 * stands in the table is the name that counts from then on.
 */
export function findUser(table: UserTable, name: string, realm: string): MaybeAsync<FoundUser> {
  const key = keyOf(name);
  if (key === undefined) return { is: "absent" };
  return then(
    lookUp(table, key),
    (found) =>
      found.is === "absent" && realm !== "" && !key.includes("@")
        ? lookUp(table, `${key}@${realm.toLowerCase()}`)
        : found,
  );
}

/** A name with its domain: who is not there seems to be the same with it and without. */
export function wholeName(name: string, realm: string): string {
  return (realm === "" || name.includes("@") ? name : `${name}@${realm}`).toLowerCase();
}

function lookUp(table: UserTable, key: string): MaybeAsync<FoundUser> {
  return then(table.find(key), (answer): FoundUser => {
    if (answer.is === "absent") return answer;
    if (answer.is === "trouble") return { is: "trouble", why: answer.why };
    const stored = parseStored(answer.value);
    if ("is" in stored) return { is: "trouble", why: `sasl_users entry of ${key}: ${stored.why}` };
    return { is: "found", username: key, stored };
  });
}
