import { fromBytesText } from "../../cleanup/latin1.ts";
import { type MimeEvent, MimeWalker, type WalkLimits } from "../../message/mime_walker.ts";
import { readAddressList } from "../../rewrite/address_list.ts";
import { SendmailFault } from "./_complaints.ts";

const FIELDS: ReadonlySet<string> = new Set(["to", "cc", "bcc"]);
const RESENT_FIELDS: ReadonlySet<string> = new Set(["resent-to", "resent-cc", "resent-bcc"]);

/**
 * Whom the header of a message names (sendmail -t): To, Cc and Bcc, or where it was resent those of the Resent- fields alone
 * (RFC 5322 §3.6.6).
 */
export class HeaderRecipients {
  readonly #walker: MimeWalker;
  readonly #limit: number;
  readonly #named: string[] = [];
  readonly #resent: string[] = [];
  #isResent = false;
  #isOver = false;

  constructor(limits: WalkLimits) {
    this.#limit = limits.header;
    // One byte more than may be shows that there was more.
    this.#walker = new MimeWalker({
      lineEnd: "\n",
      structure: false,
      limits: { ...limits, header: limits.header + 1 },
    });
  }

  /** Content as it goes into the drop; behind the header nothing is looked at. */
  push(bytes: Buffer): void {
    if (!this.#isOver) this.#take(this.#walker.push(bytes));
  }

  /** All of them, when the content is over. */
  addresses(): readonly string[] {
    if (!this.#isOver) this.#take(this.#walker.end());
    return this.#isResent ? this.#resent : this.#named;
  }

  #take(events: readonly MimeEvent[]): void {
    for (const event of events) {
      if (event.is === "headerEnd") return void (this.#isOver = true);
      if (event.is === "field") this.#field(event.name, event.text);
    }
  }

  #field(name: string, text: string): void {
    if (text.length > this.#limit) {
      throw new SendmailFault("unable to extract recipients: message header length exceeds safety limit");
    }
    const isResent = RESENT_FIELDS.has(name);
    if (!isResent && !FIELDS.has(name)) return;
    this.#isResent ||= isResent;
    const value = fromBytesText(text.slice(text.indexOf(":") + 1));
    (isResent ? this.#resent : this.#named).push(...readAddressList(value));
  }
}
