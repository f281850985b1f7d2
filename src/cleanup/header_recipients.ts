import type { Address } from "../address/address.ts";
import { addressesIn } from "../address/address_list.ts";
import { fromBytesText } from "./latin1.ts";
import { type Changed, type HeaderField, type MessageEdits, type Stage, UNCHANGED } from "./stage.ts";

const FIELDS: ReadonlySet<string> = new Set(["to", "cc", "bcc"]);
const RESENT_FIELDS: ReadonlySet<string> = new Set(["resent-to", "resent-cc", "resent-bcc"]);

/**
 * Sends a message to those whom its header names (sendmail -t): To, Cc and Bcc, or where it was resent those of the Resent- fields
 * alone (RFC 5322 §3.6.6). The envelope's own recipients stay.
 */
export class HeaderRecipients implements Stage {
  readonly #message: MessageEdits;
  readonly #limit: number;
  readonly #named: Address[] = [];
  readonly #resent: Address[] = [];
  #isResent = false;

  /** Of each field at most `limit` addresses are read (header_address_token_limit). */
  constructor(message: MessageEdits, limit: number) {
    this.#message = message;
    this.#limit = limit;
  }

  field({ place, name, text }: HeaderField): Changed {
    if (place !== "primary") return UNCHANGED;
    const isResent = RESENT_FIELDS.has(name);
    if (!isResent && !FIELDS.has(name)) return UNCHANGED;
    this.#isResent ||= isResent;
    const value = fromBytesText(text.slice(text.indexOf(":") + 1));
    (isResent ? this.#resent : this.#named).push(...addressesIn(value, this.#limit));
    return UNCHANGED;
  }

  headerEnd(): void {
    for (const address of new Set(this.#isResent ? this.#resent : this.#named)) {
      this.#message.addRecipient({ address, original: address, notify: 0 });
    }
  }
}
