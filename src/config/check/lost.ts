import type { Absence, Feature } from "../parameters/absence.ts";
import { hasDefault, rowOf, type Scope } from "../scope.ts";

/** What is lost by a setting that is not acted on, given its value: mail is refused or waits, something is weaker, or nothing. */
export interface Loss {
  readonly means: "closed" | "weaker" | "harmless";
  readonly why: string;
  readonly feature?: Feature;
}

/** Where a setting stands: the names and values around it, and the programs that it counts for. */
export interface Surroundings {
  /** Undefined where the entry of master.cf is switched off. */
  readonly scope: Scope | undefined;
  readonly programs: ReadonlySet<string>;
}

/** Values that ask for nothing. */
const NOTHING = new Set(["", "no", "none", "0"]);

/** What is lost by a setting, when its parameter is not acted on. */
export function lossOf(name: string, written: string, absence: Absence, around: Surroundings): Loss {
  const { scope } = around;
  const feature = absence.feature === undefined ? {} : { feature: absence.feature };
  const harmless = (why: string): Loss => ({ means: "harmless", why, ...feature });
  const value = scope === undefined ? written : safely(scope, written);
  if (NOTHING.has(value.toLowerCase()) || scope === undefined) return harmless(whyNot(name, absence));
  if (value === defaultOf(name, scope)) return harmless("it is the default, and what is done anyway");
  if (!isUsed(name, around.programs)) return harmless("no service of master.cf reads it");
  const means = absence.means === "open" ? "closed" : absence.means;
  return { means, why: means === "harmless" ? whyNot(name, absence) : absence.why, ...feature };
}

function safely(scope: Scope, written: string): string {
  try {
    return scope.expandText(written);
  } catch {
    return written; // reported elsewhere
  }
}

/** Why a harmless one needs no code: the row's own note where it is moot. */
function whyNot(name: string, absence: Absence): string {
  const row = rowOf(name);
  return row?.fit === "moot" ? row.note ?? absence.why : absence.why;
}

function defaultOf(name: string, scope: Scope): string | undefined {
  const row = rowOf(name);
  return row === undefined || !hasDefault(row) ? undefined : safely(scope, row.fallback);
}

/** Programs that run only where master.cf has a line for them, and have settings of their own. */
const DAEMONS: ReadonlySet<string> = new Set([
  ...[
    "smtpd",
    "postscreen",
    "qmqpd",
    "smtp",
    "lmtp",
    "local",
    "virtual",
    "pipe",
    "cleanup",
    "tlsproxy",
    "dnsblog",
  ],
  ...[
    "verify",
    "flush",
    "bounce",
    "anvil",
    "scache",
    "tlsmgr",
    "proxymap",
    "postlogd",
    "trivial-rewrite",
    "qmgr",
  ],
]);

function isUsed(name: string, programs: ReadonlySet<string>): boolean {
  const readers = rowOf(name)?.daemons.split(",") ?? ["all"];
  return readers.some((reader) => reader === "all" || !DAEMONS.has(reader) || programs.has(reader));
}
