import type { CheckedContent, Decision } from "../../access/policy.ts";
import type {
  ContentAuthentication,
  OurResults,
} from "../../cleanup/authentication/content_authentication.ts";
import { MessageCheck, type MessageResult } from "../../mailauth/message_check.ts";
import type { PolicyWord } from "../../mailauth/reports/verified_message.ts";
import { wireResults } from "../../mailauth/results/results_field.ts";
import { resultsOf } from "../../mailauth/results/results_of.ts";
import type { SpfResult } from "../../mailauth/spf/spf_result.ts";
import type { Log } from "../../observe/log.ts";
import type { QueueId } from "../../queue/envelope.ts";
import type { MailAuthentication } from "./mail_authentication.ts";
import { summaryOf } from "./summary.ts";
import { verifiedMessage } from "./verified_message.ts";

/** A message whose content is checked, as smtpd knows it. */
export interface CheckedMail {
  readonly id: QueueId;
  readonly client: { readonly address: string; readonly name: string };
  readonly helo: string;
  /** Internal form; "" is the null sender. */
  readonly sender: string;
  readonly smtputf8: boolean | undefined;
  /** Longest content in bytes, 0 for any length: what comes behind it is thrown away, and not looked at. */
  readonly sizeLimit: number;
  /** What SPF says of the client. */
  readonly spf: (signal: AbortSignal) => Promise<SpfResult>;
}

/** The check of one message: SPF, DKIM, ARC, DMARC, and the word of forwarders. */
export class ContentCheck implements ContentAuthentication {
  readonly authservId: string;
  readonly #how: MailAuthentication;
  readonly #mail: CheckedMail;
  readonly #log: Log;
  readonly #check: MessageCheck;
  #size = 0;
  #result: MessageResult | undefined;
  #content: CheckedContent | undefined;
  #disposition: PolicyWord = "none";

  constructor(how: MailAuthentication, mail: CheckedMail, log: Log) {
    this.authservId = how.authservId;
    this.#how = how;
    this.#mail = mail;
    this.#log = log;
    this.#check = new MessageCheck(mail.spf, how.world);
  }

  /** Bytes of content as the client sent them. */
  push(bytes: Uint8Array): void {
    this.#size += bytes.length;
    const { sizeLimit } = this.#mail;
    if (sizeLimit === 0 || this.#size <= sizeLimit) this.#check.push(bytes);
  }

  /** All has come: the results. The same again when asked again. */
  async end(): Promise<CheckedContent> {
    if (this.#content !== undefined) return this.#content;
    const result = this.#result = await this.#check.end();
    const { dkim, dmarc } = result;
    const passesBy = await this.#how.forwarders?.(this.#mail.client, result);
    this.#content = { dkim, dmarc, ...(passesBy !== undefined && { passesBy }) };
    this.#log.emit("smtpd", "authenticated", { id: this.#mail.id, ...summaryOf(result, passesBy) });
    return this.#content;
  }

  get results(): OurResults | undefined {
    const [result, content] = [this.#result, this.#content];
    if (result === undefined || content === undefined) return undefined;
    const { passesBy } = content;
    const { client, helo, sender, smtputf8 } = this.#mail;
    const results = resultsOf({
      ...result,
      clientAddress: client.address,
      helo,
      sender,
      ...(passesBy !== undefined && { override: `local policy: ${passesBy}` }),
    });
    return { value: wireResults(this.authservId, results, smtputf8), arc: result.arc };
  }

  /** What restrictions made of the content: for reports it counts what became of mail that fails DMARC. */
  judged({ refusal, refusedBy = "", effects }: Decision): void {
    if (this.#content?.dmarc.is !== "fail") return;
    if (refusal !== undefined) {
      if (refusal.code >= 500 && /(?:^|\/)check_dmarc(?:_access)?(?: |$)/.test(refusedBy)) {
        this.#tell("reject");
      }
    } else if (effects.some(({ is }) => is === "discard")) this.#disposition = "reject";
    else if (effects.some(({ is }) => is === "hold")) this.#disposition = "quarantine";
  }

  /** The message is in the queue. */
  accepted(): void {
    this.#tell(this.#disposition);
  }

  #tell(disposition: PolicyWord): void {
    const { onVerified } = this.#how;
    if (onVerified === undefined || this.#result === undefined) return;
    const { client, sender } = this.#mail;
    const message = verifiedMessage(this.#result, {
      sourceIp: client.address,
      sender,
      passesBy: this.#content?.passesBy,
      disposition,
    });
    if (message !== undefined) onVerified(message);
  }

  /** Nobody waits for the results any more. */
  abort(): void {
    this.#check.abort();
  }
}
