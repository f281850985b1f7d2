import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { type Command, type Peer, printCommand } from "./command.ts";
import { ContentPass } from "./content_pass.ts";
import type { MessageChanges } from "./edit_run.ts";
import type { Event, Filter, Macros } from "./filter.ts";
import { macroNames, type MacroSettings, type MacroSource, type MacroTexts, macroTexts } from "./macros.ts";
import type { MacroStage } from "./negotiation.ts";
import { type CommandLetter, EVENTS } from "./protocol.ts";
import type { Verdict } from "./verdict.ts";

const bytesText = (text: string) =>
  (/[^\x00-\x7f]/.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text).replaceAll("\0", "");

/** A client as filters are told of it. */
export interface ChainClient {
  /** Verified name, or "unknown". */
  readonly name: string;
  /** An IP address, or "unknown". */
  readonly address: string;
  readonly port: number;
}

/** Each command with the bits of an agreement that forbid it, or its answer. */
const event = (command: Command, unwanted: number, unanswered: number): Event => ({
  command,
  unwanted,
  unanswered,
});

/** Macros that are looked up once, and printed once for each command that they go with. */
function packetsOf(look: () => MaybeAsync<MacroTexts>): Macros {
  let texts: MaybeAsync<MacroTexts> | undefined;
  const printed = new Map<CommandLetter, Buffer>();
  return (letter) => {
    const packet = printed.get(letter);
    if (packet !== undefined) return packet;
    return then(texts ??= look(), (found) => {
      const made = printCommand({ is: "macro", command: letter, texts: found });
      printed.set(letter, made);
      return made;
    });
  };
}

/**
 * The filters of one session, in their order (milter(8)): each is told of a command unless one before it had something against it, and
 * each sees a message as those before it made it.
 */
export class FilterChain {
  readonly #filters: readonly Filter[];
  readonly #macros: MacroSettings;
  #knowsSender = false;

  constructor(filters: readonly Filter[], macros: MacroSettings) {
    this.#filters = filters;
    this.#macros = macros;
  }

  /** Makes the macros of a stage, the same for all that have not named their own. */
  #macrosFor(stage: MacroStage, source: MacroSource): (filter: Filter) => Macros {
    const { lists, defaults } = this.#macros;
    const general = packetsOf(() => macroTexts(lists[stage], source, defaults));
    return (filter) => {
      const own = filter.ownMacros(stage);
      return own === undefined ? general : packetsOf(() => macroTexts(macroNames(own), source, defaults));
    };
  }

  /** Asks one filter after the other, up to the first that has something against it. */
  #each(ask: (filter: Filter) => MaybeAsync<Verdict | undefined>, from = 0): MaybeAsync<Verdict | undefined> {
    for (let at = from; at < this.#filters.length; at++) {
      const said = ask(this.#filters[at]!);
      if (isPromise(said)) return said.then((late) => late ?? this.#each(ask, at + 1));
      if (said !== undefined) return said;
    }
  }

  #tell(told: Event, stage: MacroStage, source: MacroSource): MaybeAsync<Verdict | undefined> {
    const macros = this.#macrosFor(stage, source);
    return this.#each((filter) => filter.tell(told, macros(filter)));
  }

  /** A client has connected: so do we, to each filter when its turn comes. */
  connect(client: ChainClient, source: MacroSource): MaybeAsync<Verdict | undefined> {
    const command = connectCommand(client);
    const told = event(command, EVENTS.noConnect, EVENTS.noConnectReply);
    const macros = this.#macrosFor("connect", source);
    return this.#each(async (filter) => {
      await filter.connect();
      // Only now it is known whether it has named its own.
      return await filter.tell(told, macros(filter));
    });
  }

  helo(name: string, source: MacroSource): MaybeAsync<Verdict | undefined> {
    const told = event({ is: "helo", text: bytesText(name) }, EVENTS.noHelo, EVENTS.noHeloReply);
    return this.#tell(told, "helo", source);
  }

  /** `words`: the sender in angle brackets, and the parameters as they came. */
  mail(words: readonly string[], source: MacroSource): MaybeAsync<Verdict | undefined> {
    this.#knowsSender = true;
    const told = event({ is: "mail", words: words.map(bytesText) }, EVENTS.noMail, EVENTS.noMailReply);
    return this.#tell(told, "mail", source);
  }

  /** One that is refused already is only told to filters that want to know. */
  rcpt(words: readonly string[], isRefused: boolean, source: MacroSource): MaybeAsync<Verdict | undefined> {
    const told = event({ is: "rcpt", words: words.map(bytesText) }, EVENTS.noRcpt, EVENTS.noRcptReply);
    const macros = this.#macrosFor("rcpt", source);
    return this.#each((filter) =>
      isRefused && !filter.has(EVENTS.refusedRecipients) ? undefined : filter.tell(told, macros(filter))
    );
  }

  data(source: MacroSource): MaybeAsync<Verdict | undefined> {
    return this.#tell(event({ is: "data" }, EVENTS.noData, EVENTS.noDataReply), "data", source);
  }

  /** A command that the server does not know. */
  unknown(verb: string, source: MacroSource): MaybeAsync<Verdict | undefined> {
    const told = event({ is: "unknown", text: bytesText(verb) }, EVENTS.noUnknown, EVENTS.noUnknownReply);
    return this.#tell(told, "unknown", source);
  }

  /** What is said to commands that no filter is told of: a last word on the session. */
  get standing(): Verdict | undefined {
    return this.#filters.find(({ lasting }) => lasting !== undefined)?.lasting;
  }

  /** Whether any filter wants to see content. */
  get wantsContent(): boolean {
    return this.#filters.some(({ isActive }) => isActive);
  }

  abort(): void {
    for (const filter of this.#filters) filter.abort();
  }

  /** Nothing more comes of the sender that they were told of. */
  endTransaction(): void {
    if (!this.#knowsSender) return;
    this.#knowsSender = false;
    this.abort();
  }

  quit(): void {
    for (const filter of this.#filters) filter.quit();
  }

  /** A message on its way through the filters that want it. */
  beginContent(source: MacroSource): ChainContent {
    const [header, message] = [
      this.#macrosFor("endOfHeader", source),
      this.#macrosFor("endOfMessage", source),
    ];
    const passes = this.#filters.filter(({ isActive }) => isActive).map((filter) => () =>
      new ContentPass(filter, { endOfHeader: header(filter), endOfMessage: message(filter) })
    );
    return new ChainContent(passes);
  }
}

function connectCommand({ name, address, port }: ChainClient): Command {
  const host = name !== "unknown" || address === "unknown" ? name : `[${address}]`;
  const family = address.includes(":") ? "6" : "4";
  const peer: Peer = address === "unknown" ? { family: "U" } : { family, port, address };
  return { is: "connect", host: bytesText(host), peer };
}

/** What a chain reads a message from. */
export interface ChainMessage extends MessageChanges {
  /** The header as it is now, without what no filter sees. */
  readonly fields: readonly string[];
  /** The body as it is now, the blank line before it included. */
  readBody(): AsyncIterable<Uint8Array>;
}

/** A message's content on its way through a chain: to the first filter as it comes, to each other one as the one before left it. */
export class ChainContent {
  readonly #passes: readonly (() => ContentPass)[];
  #first: ContentPass | undefined;

  constructor(passes: readonly (() => ContentPass)[]) {
    this.#passes = passes;
  }

  /** The header is complete; the body may follow at once, by `body`. */
  header(fields: readonly string[]): MaybeAsync<void> {
    this.#first = this.#passes[0]?.();
    return this.#first?.header(fields);
  }

  body(bytes: Uint8Array): MaybeAsync<void> {
    return this.#first?.body(bytes);
  }

  /** All content is there, in `message` where it was not told before. */
  async end(message: ChainMessage): Promise<Verdict | undefined> {
    for (const begin of this.#passes) {
      const pass = this.#first ?? await read(begin(), message);
      this.#first = undefined;
      const verdict = await pass.end(message);
      if (verdict !== undefined) return verdict;
    }
  }
}

async function read(pass: ContentPass, message: ChainMessage): Promise<ContentPass> {
  await pass.header(message.fields);
  for await (const piece of message.readBody()) await pass.body(piece);
  return pass;
}
