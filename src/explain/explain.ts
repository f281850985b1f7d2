import { endpointKey } from "../config/endpoint.ts";
import type { Configuration, Service } from "../config/service.ts";
import { realWorld } from "../config/world.ts";
import { createLog } from "../observe/create_log.ts";
import { memoryWriter } from "../observe/log_writer.ts";
import { ownPid } from "../platform/signals.ts";
import type { Explanation } from "./explanation.ts";
import type { OpenHouse } from "./house.ts";
import { Notebook } from "./notebook.ts";
import { decisive, outcomeOf } from "./outcome.ts";
import { createPlaces } from "./places.ts";
import { Recorder } from "./recorder.ts";
import { play, type Played } from "./run.ts";
import { ExplainFault, type ExplainOptions, flawOf, type SessionDescription } from "./session.ts";
import { SourceFiles } from "./source_files.ts";
import { createWatch, type Watch, watchHosts } from "./watch.ts";
import { NO_RESOLVER, watchResolver } from "./watch_dns.ts";

/** The smtpd of master.cf that a description means: by name, else the first that listens. */
export function serviceOf({ services, settings }: Configuration, name: string | undefined): Service {
  const smtpds = services.filter(({ type, program }) =>
    program === "smtpd" && (type === "inet" || type === "pass")
  );
  const world = realWorld(ownPid(), "explain");
  const endpoint = (each: string) => endpointKey(each, settings, world);
  const found = name === undefined ? smtpds[0] : smtpds.find((each) => each.name === name) ??
    smtpds.find(({ type, name: own }) => type === "inet" && endpoint(own) === endpoint(name));
  if (found !== undefined) return found;
  const known = smtpds.map((each) => each.name).join(", ");
  const what = name === undefined ? "no smtpd service" : `no smtpd service "${name}"`;
  throw new ExplainFault(`${what} in master.cf${known === "" ? "" : `; there is ${known}`}`);
}

/** One run of a session under a configuration. */
export interface Run extends Played {
  readonly assumptions: readonly string[];
}

/** Plays the session once. */
export async function run(
  configuration: Configuration,
  session: SessionDescription,
  options: ExplainOptions,
  openHouse: OpenHouse,
): Promise<Run> {
  const flaw = flawOf(session);
  if (flaw !== undefined) throw new ExplainFault(flaw);
  const service = serviceOf(configuration, session.service);
  const recorder = new Recorder();
  const hear = recorder.note.bind(recorder);
  const log = createLog({ syslogName: "explain", writer: memoryWriter() });
  const watch: Watch = {
    ...createWatch(recorder, new SourceFiles(configuration.directory), options.askPolicy),
    resolver: (resolver) => watchResolver(options.dns ? resolver : NO_RESOLVER, hear),
    hosts: (hosts) => watchHosts(hosts, hear),
  };
  const house = openHouse({ configuration, service, watch, log });
  try {
    const notebook = new Notebook(recorder, createPlaces(configuration, service));
    const played = await play(session, { service, house, notebook, log });
    return { ...played, assumptions: recorder.assumptions };
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
  const played = await run(configuration, session, options, openHouse);
  const service = serviceOf(configuration, session.service);
  return {
    version: 1,
    configuration: configuration.directory,
    from: "disk",
    service: { name: service.name, line: service.line },
    session,
    client: played.client,
    commands: played.commands,
    outcome: outcomeOf(played.commands),
    decidedBy: decisive(played.commands),
    edits: [],
    tried: 0,
    assumptions: played.assumptions,
  };
}
