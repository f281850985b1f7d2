import type { Diagnostic } from "./diagnostic.ts";
import { loadConfiguration, type LoadSource } from "./load.ts";
import type { Configuration } from "./service.ts";

/** Everything `mta check` has to say about a configuration directory, in the order of the files. */
export interface CheckReport {
  /** Each keeps the service from starting. */
  readonly errors: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** Reads and checks a configuration directory; never throws for what stands in it (postfix(1), check). */
export function checkReport(source: LoadSource): CheckReport {
  const loaded = loadConfiguration(source);
  return loaded.is === "loaded"
    ? { errors: [], warnings: loaded.warnings }
    : { errors: loaded.errors, warnings: loaded.warnings };
}

/** The warnings of a configuration that has been loaded: names unknown, settings without effect, odd entries. */
export function configurationWarnings(
  { directory, texts }: Configuration,
  machine: Pick<LoadSource, "world" | "users"> = {},
): readonly Diagnostic[] {
  return texts === undefined ? [] : checkReport({ directory, texts, ...machine }).warnings;
}
