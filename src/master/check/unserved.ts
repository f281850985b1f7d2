import type { Configuration, Service } from "../../config/service.ts";
import { ownIds, userByName } from "../../platform/process/users.ts";
import { workerPrivileges } from "../privileges.ts";
import { readSpawnEntry, systemAccounts } from "../spawn/spawn_entry.ts";

/** Programs of master.cf that do nothing here, and why: no entry is ignored in silence. */
const UNSERVED: Readonly<Record<string, string>> = {
  qmqpd: "QMQP is not served; submit by SMTP",
};

/** What the operator should know of entries that do less than they say. */
export function unservedEntries(configuration: Configuration): string[] {
  const { directory, services } = configuration;
  return services.flatMap((service) => {
    const place = `${directory}/master.cf, line ${service.line}, service ${service.name}/${service.type}`;
    const why = UNSERVED[service.program] ?? postscreenNote(service) ?? spawnProblem(service, configuration);
    return why === undefined ? [] : [`${place}: ${service.program}: ${why}`];
  });
}

function postscreenNote({ program }: Service): string | undefined {
  if (program !== "postscreen") return undefined;
  return "clients go to the smtpd behind it (the entry of type pass) after postscreen's lists, without its other tests";
}

/** Why an entry of spawn(8) is not served. */
function spawnProblem(service: Service, { settings, isSet }: Configuration): string | undefined {
  if (service.program !== "spawn") return undefined;
  const own = ownIds();
  const privileges = workerPrivileges(settings, isSet("mail_owner"), { ...own, userByName });
  if (privileges.is === "bad") return undefined; // nothing is served at all, and that is said
  const entry = readSpawnEntry(service, systemAccounts(privileges.identity), () => undefined);
  return typeof entry === "string" ? `not served: ${entry}` : undefined;
}
