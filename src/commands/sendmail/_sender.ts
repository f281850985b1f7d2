import type { SystemUser } from "../../platform/process/users.ts";
import { readAddressList } from "../../rewrite/address_list.ts";
import { LONGEST_NAME } from "../../pickup/drop/drop_records.ts";
import { SendmailFault } from "./_complaints.ts";

/** Who sends: the address of -f or -r, in internal form; without one the login name. */
export function senderOf(
  given: string | undefined,
  user: { readonly uid: number; readonly row: SystemUser | undefined },
  warn: (text: string) => void,
): string {
  if (given === undefined) {
    if (user.row === undefined) throw new SendmailFault(`no login name found for user ID ${user.uid}`);
    return user.row.name;
  }
  const addresses = readAddressList(inUtf8(given));
  if (addresses.length > 1) warn(`-f option specified malformed sender: ${given}`);
  return addresses[0] ?? "";
}

/** A word of the command line with an address: bytes that were no UTF-8 are lost already, and it would be another address. */
export function inUtf8(word: string): string {
  if (word.includes("\ufffd")) throw new SendmailFault(`address "${word}" is no UTF-8`);
  return word;
}

/** For a missing From: -F, else NAME, else what the system's users say, where `&` stands for the login name (passwd(5)). */
export function fullNameOf(
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  row: SystemUser | undefined,
): string | undefined {
  const named = given ?? environment.NAME;
  if (named !== undefined || row === undefined) {
    return named?.replace(/[\0\r\n]+/g, " ").slice(0, LONGEST_NAME);
  }
  const [name = ""] = row.gecos.split(/[,;%]/);
  return name.replaceAll("&", () => row.name.charAt(0).toUpperCase() + row.name.slice(1));
}
