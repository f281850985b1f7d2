import { quoteAddress } from "../../address/address.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { filtersOf } from "../../milter/create_filters.ts";
import type { FilterChain } from "../../milter/filter_chain.ts";
import { FILTER_PARAMETERS } from "../../milter/filter_settings.ts";
import type { MacroSource } from "../../milter/macros.ts";
import type { Verdict } from "../../milter/verdict.ts";
import type { Log } from "../../observe/log.ts";
import { defer } from "../../smtp/reply.ts";
import type { Submission } from "../cleanup.ts";
import type { Stage } from "../stage.ts";
import { contentMacros } from "./content_macros.ts";
import { applyVerdict, endContent, fieldsForMilters } from "./milter_stage.ts";
import type { MilterStageDeps } from "./milter_stage_deps.ts";

/** The parameters of filters of mail that does not come by SMTP. */
export const LOCAL_MILTER_PARAMETERS = [
  ...FILTER_PARAMETERS,
  "inet_protocols",
  "internal_mail_filter_classes",
  "non_smtpd_milters",
  "receive_override_options",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type LocalMilterSettings = SettingsOf<typeof LOCAL_MILTER_PARAMETERS>;

/** Makes the stage of a message that filters should see though it does not come by SMTP; undefined for others. */
export type LocalMilters = (submission: Submission) => ((deps: MilterStageDeps) => Stage) | undefined;

/** Opens non_smtpd_milters: for local submissions, and for notices where internal_mail_filter_classes says so. */
export function openLocalMilters(settings: LocalMilterSettings, log: Log): LocalMilters | undefined {
  const list = settings.non_smtpd_milters;
  if (splitList(list).length === 0) return undefined;
  if (splitList(settings.receive_override_options).includes("no_milters")) return undefined;
  const classes = splitList(settings.internal_mail_filter_classes);
  const create = filtersOf(settings, (text) => log.note("cleanup", "warning", text));
  return (submission) => {
    if (!isTheirs(submission, classes)) return undefined;
    const chain = create(list);
    return chain && ((deps) => new LocalMilterStage(deps, chain, settings));
  };
}

/** What goes through cleanup(8) again they have seen, or were not to see (postsuper(1) -r). */
function isTheirs({ kind, origin, replaces }: Submission, classes: readonly string[]): boolean {
  if (replaces !== undefined) return false;
  if (kind === undefined) return origin.clientAddress === undefined;
  return (kind === "bounce" || kind === "notify") && classes.includes(kind);
}

/** Sendmail leaves the brackets and the null address off. */
const external = (address: string) => address === "" ? "" : quoteAddress(address);

const MISCONFIGURED = defer(451, "4.3.5", "Server configuration error");

/** Makes up a session for filters, once all of the message is there: who sent it, to whom, what. */
class LocalMilterStage implements Stage {
  readonly #deps: MilterStageDeps;
  readonly #chain: FilterChain;
  readonly #settings: LocalMilterSettings;
  #recipient: string | undefined;

  constructor(deps: MilterStageDeps, chain: FilterChain, settings: LocalMilterSettings) {
    this.#deps = deps;
    this.#chain = chain;
    this.#settings = settings;
  }

  async end(): Promise<void> {
    try {
      if (await this.#introduce()) await this.#content();
    } finally {
      this.#chain.quit();
    }
  }

  get #client() {
    const isV6 = this.#settings.inet_protocols.includes("ipv6") &&
      !this.#settings.inet_protocols.includes("ipv4");
    return { name: "localhost", reverseName: "localhost", address: isV6 ? "::1" : "127.0.0.1", port: 0 };
  }

  readonly #macros: MacroSource = (name) => {
    const { submission, message } = this.#deps;
    return contentMacros({
      hostname: this.#settings.myhostname,
      daemon: this.#settings.milter_macro_daemon_name,
      version: this.#settings.milter_macro_v,
      client: this.#client,
      server: this.#client,
      id: submission.id,
      mailAddress: external(message.sender),
      rcptAddress: this.#recipient,
    })(name);
  };

  /** Tells of all before the content; false when that is not asked for any more. */
  async #introduce(): Promise<boolean> {
    const { submission: { origin }, message } = this.#deps;
    const [chain, macros] = [this.#chain, this.#macros];
    if (this.#take("CONNECT", await chain.connect(this.#client, macros))) return false;
    if (this.#take("EHLO", await chain.helo(origin.helo ?? this.#client.name, macros))) return false;
    if (this.#take("MAIL", await chain.mail([external(message.sender)], macros))) return false;
    for (const { address } of message.recipients) {
      this.#recipient = external(address);
      const said = await chain.rcpt([this.#recipient], false, macros);
      if (said?.is === "refuse") return this.#refuseRecipient(said);
      if (this.#take("RCPT", said)) return false;
    }
    return !this.#take("DATA", await chain.data(macros));
  }

  /** Whether the message is over by a verdict. */
  #take(stage: string, verdict: Verdict | undefined): boolean {
    if (verdict === undefined) return false;
    return applyVerdict(verdict, stage, this.#deps) || verdict.is === "discard";
  }

  /** One recipient cannot be refused here: nobody would tell the sender which. */
  #refuseRecipient(verdict: Verdict): false {
    const { log, message, submission: { id } } = this.#deps;
    log.note(
      "cleanup",
      "warning",
      `${id}: milter configuration error: can't reject recipient in non-smtpd(8) submission`,
    );
    log.note("cleanup", "warning", `${id}: message not accepted, try again later`);
    message.refuse(MISCONFIGURED);
    applyVerdict(verdict, "RCPT", this.#deps);
    return false;
  }

  async #content(): Promise<void> {
    const { message } = this.#deps;
    if (!this.#chain.wantsContent) return;
    const content = this.#chain.beginContent(this.#macros);
    await content.header(fieldsForMilters(message.fields));
    for await (const piece of message.readBody()) await content.body(piece);
    await endContent(content, this.#deps);
  }
}
