import type { ErrorClass } from "../../smtp/error_class.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { SessionPostmaster } from "../../smtp/session_notice.ts";
import type { CommandTable } from "./commands.ts";
import { Transcript } from "../../smtp/transcript.ts";
import { maybeResponse, withoutSecrets } from "../policy/secrets.ts";
import type { Counted } from "../statistics.ts";
import type { Context } from "../context.ts";
import type { Step } from "../step.ts";

/** What stands for a line that may be a password, or what it is made of. */
const HIDDEN = "...";

/** Commands that begin anew: what was before is looked at when there is much of it (smtpd_history_flush_threshold). */
const RESTARTS: ReadonlySet<Counted> = new Set<Counted>(["helo", "ehlo", "rset"]);

/** The client, as the log shows it. */
type Named = Pick<Context, "clientText">;

/** What a session's postmaster sees of it (notify_classes). Kept only where he wants to see any. */
export class SessionTranscript {
  readonly #postmaster: SessionPostmaster;
  readonly #threshold: number;
  readonly #said: Transcript;

  constructor(postmaster: SessionPostmaster, threshold: number) {
    this.#postmaster = postmaster;
    this.#threshold = threshold;
    this.#said = new Transcript("server", postmaster.wanted);
  }

  /** The client's line; one that is no command may be a response that comes too late. */
  heard(text: string, commands: CommandTable): void {
    const command = text.trimStart();
    const blank = command.indexOf(" ");
    const verb = (blank < 0 ? command : command.slice(0, blank)).toUpperCase();
    const isKnown = Object.hasOwn(commands, verb);
    if (isKnown && verb !== "AUTH") this.#said.add(text);
    else this.#said.add(!isKnown && maybeResponse(text) ? HIDDEN : withoutSecrets(text));
  }

  /** A response of a login. */
  heardResponse(): void {
    this.#said.add(HIDDEN);
  }

  said(reply: Reply): void {
    this.#said.add(reply);
  }

  note(errorClass: ErrorClass): void {
    this.#said.note(errorClass);
  }

  /** What a step means, before its reply is said. Commands that are refused are breaches of the protocol unless the reply knows better. */
  before({ reply, counts, counted, after }: Step, client: Named): void {
    if (after?.is === "greet") this.tell(client);
    else if (counts === "good" && counted !== undefined && RESTARTS.has(counted)) this.#tellOfMuch(client);
    if (counts === "delivered") return this.#said.forgive();
    if (reply === undefined || reply.code < 400 || counts === "good") return;
    const { errorClass = counts === "bad" || counts === "slip" ? "protocol" : "none" } = reply;
    if (errorClass !== "none") this.#said.note(errorClass);
  }

  /** What follows when it is said: behind a message begins another one. */
  after({ counts, counted }: Step, client: Named): void {
    const isEnd = (counts === "delivered" || counts === "failed") &&
      (counted === "data" || counted === "bdat");
    if (isEnd) this.#tellOfMuch(client);
  }

  #tellOfMuch(client: Named): void {
    if (this.#said.length > this.#threshold) this.tell(client);
  }

  /** Begins anew, and tells the postmaster of what was when he wants to hear of it. */
  tell(client: Named, reason?: string): void {
    const taken = this.#said.take();
    if (taken !== undefined) {
      this.#postmaster.tell({ role: "SMTP server", peer: client.clientText, ...taken, reason });
    }
  }
}
