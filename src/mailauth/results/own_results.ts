import { FieldScanner } from "./field_scanner.ts";

const NAME = "authentication-results";
/** An id ends there for those who read fields generously, too. */
const ID_END = /[\x00-\x20\x7f;()"]/;

/** Letters beyond ASCII are bytes here, which have no case. */
const plain = (id: string) => id.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).replace(/\.$/, "");

/**
 * Whether a field claims to be an Authentication-Results of ours: such a one from outside is forged (RFC 8601 §5). So is one whose
 * authserv-id nobody can read, and one of an id with a job behind it (`ours/4711`). `text` is the whole field, one character a byte.
 */
export function claimsToBeOurs(text: string, authservId: string): boolean {
  const colon = text.indexOf(":");
  if (colon < 0 || text.slice(0, colon).trimEnd().toLowerCase() !== NAME) return false;
  const scanner = new FieldScanner(text.slice(colon + 1));
  scanner.skip();
  const id = scanner.value(ID_END);
  if (id === undefined || scanner.isBroken) return true;
  const own = Buffer.from(plain(authservId), "utf8").toString("latin1");
  return plain(id) === own || plain(id.split("/")[0] ?? "") === own;
}
