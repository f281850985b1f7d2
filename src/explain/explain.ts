import { DEFAULT_MASTER_CF } from "../config/default_master_cf.ts";
import { endpointKey } from "../config/endpoint.ts";
import type { Configuration, Service } from "../config/service.ts";
import { smtpdBehind } from "../config/smtpd_behind.ts";
import { realWorld } from "../config/world.ts";
import { createLog } from "../observe/create_log.ts";
import type { LogEntry } from "../observe/log_line.ts";
import { memoryWriter } from "../observe/log_writer.ts";
import { ownPid } from "../platform/signals.ts";
import { ConfigEditor } from "./config_edit.ts";
import { type Change, withRecord } from "./edit.ts";
import type { ExplainedCommand, Explanation, Place } from "./explanation.ts";
import { findEdits } from "./find_edits.ts";
import type { OpenHouse } from "./house.ts";
import { Notebook } from "./notebook.ts";
import { decisive, outcomeOf, turnable } from "./outcome.ts";
import { createPlaces } from "./places.ts";
import { type Proof, proveEdits, type Trial } from "./prove_edits.ts";
import { Recorder } from "./recorder.ts";
import { play, type Played } from "./run.ts";
import type { OpenTable } from "../table/context.ts";
import { ExplainFault, type ExplainOptions, flawOf, type SessionDescription } from "./session.ts";
import { SourceFiles } from "./source_files.ts";
import { TableEditor } from "./table_edits.ts";
import { trailsOf } from "./trail.ts";
import { createWatch, type Watch, watchHosts, watchTables } from "./watch.ts";
import { NO_RESOLVER, watchResolver } from "./watch_dns.ts";

/** The smtpd of master.cf that a description means: by name, else the first that listens. */
export function serviceOf({ services, settings }: Configuration, name: string | undefined): Service {
  const listening = services.filter(({ type, program }) =>
    type === "inet" && (program === "smtpd" || program === "postscreen") ||
    type === "pass" && program === "smtpd"
  );
  const world = realWorld(ownPid(), "explain");
  const endpoint = (each: string) => endpointKey(each, settings, world);
  const found = name === undefined ? listening[0] : listening.find((each) => each.name === name) ??
    listening.find(({ type, name: own }) => type === "inet" && endpoint(own) === endpoint(name));
  if (found !== undefined) return smtpdBehind(found, services);
  const known = listening.map((each) => each.name).join(", ");
  const what = name === undefined ? "no smtpd service" : `no smtpd service "${name}"`;
  throw new ExplainFault(`${what} in master.cf${known === "" ? "" : `; there is ${known}`}`);
}

/** One run of a session under a configuration. */
interface Run extends Played {
  readonly assumptions: readonly string[];
  readonly warnings: readonly string[];
  /** What the proof against open relay says under this configuration. */
  relayFindings(): Promise<readonly string[]>;
}

/** What stays the same when a session is played again with an edit. */
interface Stage {
  readonly session: SessionDescription;
  readonly options: ExplainOptions;
  readonly openHouse: OpenHouse;
  readonly sources: SourceFiles;
}

/** Plays the session once. */
async function run(
  configuration: Configuration,
  { session, options, openHouse, sources }: Stage,
  change?: Change,
): Promise<Run> {
  const service = serviceOf(configuration, session.service);
  const recorder = new Recorder();
  const hear = recorder.note.bind(recorder);
  const edited = (open: OpenTable) => change?.is === "record" ? withRecord(open, change) : open;
  const writer = memoryWriter();
  const log = createLog({ syslogName: "explain", writer });
  const watch: Watch = {
    ...createWatch(recorder, options.askPolicy),
    open: (open) => watchTables(edited(open), hear, sources),
    resolver: (resolver) => watchResolver(options.dns ? resolver : NO_RESOLVER, hear),
    hosts: (hosts) => watchHosts(hosts, hear),
  };
  const house = openHouse({ configuration, service, watch, log, edited });
  try {
    const notebook = new Notebook(recorder, placesOfLists(configuration, service));
    const played = await play(session, { service, house, notebook, log });
    const warnings = warningsIn(writer.entries, played);
    return { ...played, relayFindings: house.relayFindings, assumptions: recorder.assumptions, warnings };
  } finally {
    house.close();
  }
}

/**
 * Explains a session: plays it through the server's own smtpd and access policy, with every list, restriction, lookup and
 * reply written down and nothing done. Throws ExplainFault where there is nothing to play.
 */
export async function explain(
  configuration: Configuration,
  session: SessionDescription,
  options: ExplainOptions,
  openHouse: OpenHouse,
): Promise<Explanation> {
  const flaw = flawOf(session);
  if (flaw !== undefined) throw new ExplainFault(flaw);
  const stage: Stage = { session, options, openHouse, sources: new SourceFiles(configuration.directory) };
  const played = await run(configuration, stage);
  const service = serviceOf(configuration, session.service);
  const { proven, tried, partial }: Proof = options.edits
    ? await editsFor(played, configuration, service, stage)
    : { proven: [], tried: 0 };
  return {
    version: 1,
    configuration: configuration.directory,
    from: "disk",
    service: {
      name: service.name,
      ...(configuration.texts?.master !== DEFAULT_MASTER_CF && { line: service.line }),
    },
    session,
    client: played.client,
    commands: played.commands,
    outcome: outcomeOf(played.commands),
    decidedBy: decisive(played.commands),
    edits: proven,
    tried,
    ...(partial !== undefined && { partial }),
    assumptions: played.assumptions,
    warnings: played.warnings,
  };
}

/** Warnings that are shown; a table with a thousand bad lines says the same thing a thousand times. */
const MOST_WARNINGS = 20;

/** What the server would have warned of beside what restrictions say: tables, the client's name. */
function warningsIn(entries: readonly LogEntry[], { commands }: Played): string[] {
  const said = new Set(commands.flatMap(({ warnings }) => warnings));
  const texts = entries.filter(({ level }) => level !== "info").map(({ text }) => text);
  return [...new Set(texts)].filter((text) => !said.has(text)).slice(0, MOST_WARNINGS);
}

/** Where lists stand: parameters and classes. What a table names has its place beside the key that matched. */
function placesOfLists(configuration: Configuration, service: Service): (list: string) => Place | undefined {
  const placeOf = createPlaces(configuration, service);
  return (list) => /^\w+$/.test(list) ? placeOf(list) : undefined;
}

/** Edits that turn the deciding command's answer round. */
async function editsFor(played: Run, configuration: Configuration, service: Service, stage: Stage) {
  const command = turnable(played.commands);
  if (command === undefined || command.command === "") return { proven: [], tried: 0 };
  const at = played.commands.indexOf(command);
  const found = findEdits(command, {
    tables: new TableEditor(stage.sources),
    configuration: new ConfigEditor(
      configuration,
      createPlaces(configuration, service),
      (name) => service.parameter(name),
    ),
    client: played.client,
    foreign: isForeign(command),
  });
  // The client is the same in every trial; what the DNS says of it need not be asked again.
  const { name, reverseName } = played.client;
  const session = { ...stage.session, client: { ...stage.session.client, name, reverseName } };
  let known: Promise<readonly string[]> | undefined;
  const before = () => known ??= played.relayFindings();
  return await proveEdits(command, found, {
    configuration,
    try: (changed, change) => attempt(run(changed, { ...stage, session }, change), at, before),
  });
}

async function attempt(
  running: Promise<Run>,
  at: number,
  before: () => Promise<readonly string[]>,
): Promise<Trial | undefined> {
  try {
    const { commands, relayFindings } = await running;
    return {
      command: commands[at],
      async opensRelay() {
        const known = await before();
        return (await relayFindings()).some((finding) => !known.includes(finding));
      },
    };
  } catch {
    return undefined; // whatever is wrong with the edited configuration, it is no remedy
  }
}

/** Whether the recipient is none of ours, as far as the command's restrictions asked. */
function isForeign(command: ExplainedCommand): boolean {
  const recipient = /^RCPT TO:<(.*)>/.exec(command.command)?.[1]?.toLowerCase();
  return trailsOf(command).some(({ step }) =>
    step.lookups.some(({ kind, key, answer }) =>
      kind === "class" && key.toLowerCase() === recipient && answer?.startsWith("default") === true
    )
  );
}
