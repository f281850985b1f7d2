import type { PolicyReply } from "../access/policy_server.ts";
import type { Configuration, Service } from "../config/service.ts";
import { createLog } from "../observe/create_log.ts";
import type { LogEntry } from "../observe/log_line.ts";
import { memoryWriter } from "../observe/log_writer.ts";
import type { OpenTable } from "../table/context.ts";
import { type Change, withRecord } from "./edit/edit.ts";
import type { Place } from "./explanation.ts";
import type { OpenSessionParts } from "./session_parts.ts";
import { PolicyTranscript } from "./watch/policy_transcript.ts";
import { createPlaces } from "./edit/places.ts";
import { Recorder } from "./watch/recorder.ts";
import { play, type Played } from "./play.ts";
import { assumedOfContent } from "./unasked.ts";
import { serviceOf } from "./service_of.ts";
import type { ExplainOptions, SessionDescription } from "./session_description.ts";
import type { SourceFiles } from "./source_files.ts";
import { createWatch, type Watch, watchHosts, watchTables } from "./watch/watch.ts";
import { NO_RESOLVER, watchResolver } from "./watch/watch_dns.ts";

/** One run of a session under a configuration. */
export interface Run extends Played {
  readonly assumptions: readonly string[];
  readonly warnings: readonly string[];
  /** What the proof against open relay says under this configuration. */
  relayFindings(): Promise<readonly string[]>;
}

/** What stays the same when a session is played again with an edit. */
export interface RunPlan {
  readonly session: SessionDescription;
  readonly options: ExplainOptions;
  readonly openParts: OpenSessionParts;
  readonly sources: SourceFiles;
  /** What policy servers have answered: trials of edits do not ask them again. */
  readonly answers: Map<string, PolicyReply>;
}

/** Plays the session once. */
export async function run(
  configuration: Configuration,
  { session, options, openParts, sources, answers }: RunPlan,
  change?: Change,
): Promise<Run> {
  const service = serviceOf(configuration, session.service);
  const recorder = new Recorder();
  const hear = recorder.note.bind(recorder);
  const edited = (open: OpenTable) => change?.is === "record" ? withRecord(open, change) : open;
  const writer = memoryWriter();
  const log = createLog({ syslogName: "explain", writer });
  const watch: Watch = {
    ...createWatch(recorder, { ask: options.askPolicy, answers, again: change !== undefined }),
    open: (open) => watchTables(edited(open), hear, sources),
    resolver: (resolver) => watchResolver(options.dns ? resolver : NO_RESOLVER, hear),
    hosts: (hosts) => watchHosts(hosts, hear),
  };
  const sessionParts = openParts({ configuration, service, watch, log, edited });
  try {
    const transcript = new PolicyTranscript(recorder, placesOfLists(configuration, service));
    const played = await play(session, { service, sessionParts, transcript, log });
    const warnings = warningsIn(writer.entries, played);
    return {
      ...played,
      relayFindings: sessionParts.relayFindings,
      assumptions: [...recorder.assumptions, ...assumedOfContent(service)],
      warnings,
    };
  } finally {
    sessionParts.close();
  }
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
