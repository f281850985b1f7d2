import type { Diagnostic } from "../syntax/diagnostic.ts";
import { rowOf } from "../scope.ts";
import { type Service, serviceKey } from "../service.ts";
import type { ScopedService } from "../services.ts";
import { valueProblems } from "./check_values.ts";

/** What a program that cannot start leaves undone; a program without a row here is none that serves by itself. */
const LEFT_UNDONE: Readonly<Record<string, string>> = {
  smtpd: "turns its clients away with 421",
  postscreen: "turns its clients away with 421",
  smtp: "lets its mail wait",
  lmtp: "lets its mail wait",
  local: "lets its mail wait",
  virtual: "lets its mail wait",
  pipe: "lets its mail wait",
  error: "lets its mail wait",
  discard: "lets its mail wait",
  cleanup: "takes no mail",
  pickup: "lets submitted mail wait",
  qmgr: "delivers nothing: mail waits",
  oqmgr: "delivers nothing: mail waits",
  nqmgr: "delivers nothing: mail waits",
  "trivial-rewrite": "rewrites and routes nothing",
  bounce: "sends no notices: their messages wait",
  spawn: "runs no command",
  verify: "verifies no address (450)",
};

/** Programs that cannot do without others, by whose names. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  smtpd: ["cleanup", "trivial-rewrite"],
  pickup: ["cleanup", "trivial-rewrite"],
  bounce: ["cleanup"],
  qmgr: ["trivial-rewrite"],
  oqmgr: ["trivial-rewrite"],
  nqmgr: ["trivial-rewrite"],
  verify: ["cleanup", "qmgr"],
};

/** Few programs act on these, but every one reads them as it starts, and stops (observed: postmap(1) does). */
const READ_BY_ALL: ReadonlySet<string> = new Set([
  "alias_database",
  "application_event_drain_time",
  "backwards_bounce_logfile_compatibility",
  "command_directory",
  "compatibility_level",
  "default_verp_delimiters",
  "disable_dns_lookups",
  "disable_mime_input_processing",
  "disable_mime_output_conversion",
  "header_address_token_limit",
  "helpful_warnings",
  "multi_instance_directories",
  "multi_instance_enable",
  "multi_instance_group",
  "multi_instance_name",
  "multi_instance_wrapper",
  "relay_domains",
  "relayhost",
  "respectful_logging",
  "setgid_group",
  "showq_service_name",
  "strict_7bit_headers",
  "strict_8bitmime",
  "strict_8bitmime_body",
  "strict_mime_encoding_domain",
  "strict_smtputf8",
]);

/** Whether a wrong value of main.cf stops everything: all programs read it, or master(8). */
export function stopsAll(name: string): boolean {
  const row = rowOf(name);
  if (row === undefined || READ_BY_ALL.has(name)) return true;
  return readersOf(row.daemons).some((reader) => reader === "all" || reader === "master");
}

/** Whether a program of master.cf cannot start for such a wrong value: it reads it, or everybody does (mail_params). */
function isStoppedBy(name: string, program: string): boolean {
  return stopsAll(name) || readersOf(rowOf(name)!.daemons).includes(program);
}

const readersOf = (daemons: string): readonly string[] => daemons.split(",");

/** A wrong value of main.cf stops those who read it: everything, or some services. */
export function narrowed(problem: Diagnostic, services: readonly ScopedService[]): Diagnostic {
  const name = problem.parameter ?? "";
  if (stopsAll(name)) return problem;
  const stopped = services.filter(({ scope, service }) =>
    isStoppedBy(name, service.program) && valueProblems(scope, name).length > 0
  );
  return closing(problem, stopped.map(({ service }) => service));
}

/** The finding with the services that it closes; where none of them serves by itself, the default stands in. */
export function closing(problem: Diagnostic, stopped: readonly Service[]): Diagnostic {
  const closed = stopped.filter(({ program }) => Object.hasOwn(LEFT_UNDONE, program));
  if (closed.length > 0) return { ...problem, level: "closed", closes: closed.map(serviceKey) };
  const consequence = stopped.length === 0 ? "nothing here reads it" : "the default holds";
  return { ...problem, level: "warning", consequence };
}

/** The same for a value of `-o`: the service whose program reads it is closed. */
export function narrowedTo({ service }: ScopedService, problem: Diagnostic): Diagnostic {
  return closing(problem, isStoppedBy(problem.parameter ?? "", service.program) ? [service] : []);
}

/** The finding with all that it closes, those who cannot do without what it closes too, and what is left undone. */
export function withDependents(problem: Diagnostic, services: readonly Service[]): Diagnostic {
  if (problem.level !== "closed") return problem;
  const closed = new Set(problem.closes);
  for (let before = -1; before < closed.size;) {
    before = closed.size;
    for (const service of services) {
      if (needsOneOf(service, services, closed)) closed.add(serviceKey(service));
    }
  }
  return { ...problem, closes: [...closed], consequence: consequenceOf(closed, services) };
}

function needsOneOf(service: Service, services: readonly Service[], closed: ReadonlySet<string>): boolean {
  return (NEEDS[service.program] ?? []).some((needed) => {
    const of = services.filter(({ program }) => program === needed);
    const asked = needed === "cleanup"
      ? of.filter(({ name }) => name === service.settings.cleanup_service_name)
      : of;
    return asked.some((each) => closed.has(serviceKey(each)));
  });
}

/** What does not happen, in the operator's words: `smtp/inet turns its clients away with 421`. */
function consequenceOf(closed: ReadonlySet<string>, services: readonly Service[]): string {
  const names = new Map<string, string[]>();
  for (const service of services.filter((each) => closed.has(serviceKey(each)))) {
    const what = leftUndone(service);
    names.set(what, [...names.get(what) ?? [], serviceKey(service)]);
  }
  return [...names].map(([what, keys]) => `${keys.join(", ")} ${what}`).join("; ");
}

function leftUndone({ program, type }: Service): string {
  return LEFT_UNDONE[program] ?? (type === "inet" ? "turns its clients away with 421" : "lets its mail wait");
}

/** Why each service may not serve, by `name/type`. */
export function closedServices(problems: readonly Diagnostic[]): Map<string, string> {
  const closed = new Map<string, string>();
  for (const { level, closes = [], text } of problems) {
    if (level !== "closed") continue;
    for (const key of closes) if (!closed.has(key)) closed.set(key, text);
  }
  return closed;
}
