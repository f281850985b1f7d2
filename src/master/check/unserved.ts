import { ABSENCE } from "../../config/parameters/absence.ts";
import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { ownIds, userByName } from "../../platform/process/users.ts";
import { workerPrivileges } from "../privileges.ts";
import { readSpawnEntry, systemAccounts } from "../spawn/spawn_entry.ts";
import type { Finding } from "./finding.ts";

/** Programs of master.cf that do nothing here, and why: no entry is ignored in silence. */
const UNSERVED: Readonly<Record<string, string>> = {
  qmqpd: "QMQP is not served; submit by SMTP",
};

/** What the operator should know of entries that do less than they say. */
export function unservedEntries(configuration: Configuration): Finding[] {
  const { directory, services } = configuration;
  return services.flatMap((service) => {
    const why = UNSERVED[service.program] ?? spawnProblem(service, configuration);
    const finding = why === undefined
      ? postscreenNote(service)
      : { severity: "closed" as const, consequence: why };
    if (finding === undefined) return [];
    const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
    const text = `${file}, line ${line}, service ${key}: ${service.program}: ${finding.consequence}`;
    return [{ ...finding, text, file, line, service: key }];
  });
}

function postscreenNote({ program }: Service) {
  if (program !== "postscreen") return undefined;
  const consequence =
    "clients go to the smtpd behind it (the entry of type pass) after postscreen's lists, without its other tests";
  return { severity: "weaker" as const, consequence, feature: ABSENCE.postscreen_greet_action.feature! };
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
