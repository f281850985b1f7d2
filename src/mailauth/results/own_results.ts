import { FieldScanner } from "./field_scanner.ts";

const NAME = "authentication-results";
/** An id ends there for those who read fields generously, too. */
const ID_END = /[\x00-\x20\x7f;()"]/;

/** Letters beyond ASCII are bytes here, which have no case. */
const plain = (id: string) => id.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).replace(/\.$/, "");

/**
 * Whether a field claims to be an Authentication-Results of ours: such a one from outside is forged (RFC 8601 §5). So is one whose
 * authserv-id nobody can read, or somebody might read as ours. `text` is the whole field, one character a byte.
 */
export function claimsToBeOurs(text: string, authservId: string): boolean {
  const colon = text.indexOf(":");
  if (colon < 0 || text.slice(0, colon).trimEnd().toLowerCase() !== NAME) return false;
  const value = text.slice(colon + 1);
  const scanner = new FieldScanner(value);
  scanner.skip();
  const id = scanner.value(ID_END);
  if (id === undefined || scanner.isBroken) return true;
  const own = Buffer.from(plain(authservId), "utf8").toString("latin1");
  return plain(id) === own || mayBeReadAs(value, own);
}

/** Longer ids are nobody's. */
const LOOKED_AT = 4096;
const ENCODED_WORD = /=\?[^? ]+\?[bq]\?/i;
/** What may stand around an id, or in it, for those who are not particular: blanks (a no-break space too), comments, quotes. */
const AROUND = /(?:[\x00-\x20\x7f"'\\]|\xc2\xa0|\([^()]*\))+/g;
/** What an id does not go on with. */
const BEHIND = /^\.*(?:1?$|[^a-z0-9._\x80-\xff-])/;

/** Whether those who take out all comments first, or decode all words, might read our id: `m(x)x.example.com`, `=?utf-8?q?mx...`. */
function mayBeReadAs(value: string, own: string): boolean {
  const given = value.slice(0, LOOKED_AT).replace(AROUND, "").split(";", 1)[0] ?? "";
  if (ENCODED_WORD.test(given)) return true;
  const read = plain(given).replace(/^[^a-z0-9\x80-\xff]+/, "");
  return read.startsWith(own) && BEHIND.test(read.slice(own.length));
}
