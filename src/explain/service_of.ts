import { endpointKey } from "../config/listen_address.ts";
import type { Configuration, Service } from "../config/service.ts";
import { smtpdBehind } from "../config/smtpd_behind.ts";
import { realWorld } from "../config/world.ts";
import { ownPid } from "../platform/process/signals.ts";
import { ExplainFault } from "./session_description.ts";

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
  if (found !== undefined) return open(smtpdBehind(found, services));
  const known = listening.map((each) => each.name).join(", ");
  const what = name === undefined ? "no smtpd service" : `no smtpd service "${name}"`;
  throw new ExplainFault(`${what} in master.cf${known === "" ? "" : `; there is ${known}`}`);
}

/** A closed service has no sessions to play: every client hears 421. */
function open(service: Service): Service {
  if (service.closed === undefined) return service;
  const { name, type, line, closed } = service;
  throw new ExplainFault(
    `service ${name}/${type} (master.cf, line ${line}) answers every client with 421: ${closed}`,
  );
}
