import { ConfigurationFault, type Diagnostic } from "./syntax/diagnostic.ts";
import { environmentSettings } from "./environment.ts";
import { expandedParameter, lazySettings } from "./lazy_settings.ts";
import { type MainCf, parseMainCf } from "./syntax/main_cf.ts";
import { Scope, type ScopeContext, type Setting, standInFor } from "./scope.ts";
import type { Settings } from "./parameters/settings_type.ts";
import type { World } from "./world.ts";

/** What to read the settings from. */
export interface SettingsSource {
  readonly directory: string;
  readonly world: World;
  /** For `MTA_<parameter>`; none when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Settings of the command line; they beat all others. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** main.cf's text, when somebody has read it already. */
  readonly main?: string;
  /** What to do without a main.cf: fail (default), or go on with the built-in values. */
  readonly missing?: "fail" | "defaults";
}

/** main.cf and what overrides it, not yet checked. */
export interface LightConfiguration {
  readonly directory: string;
  readonly settings: Settings;
  parameter(name: string): string | undefined;
  isSet(name: string): boolean;
  /** What was odd about the files. */
  readonly warnings: readonly Diagnostic[];
  readonly context: ScopeContext;
  readonly scope: Scope;
  readonly mainCf: MainCf;
}

function mainText(source: SettingsSource, path: string): string {
  return source.main ?? readMainCf(path, source.world, source.missing);
}

/** The text of main.cf; without the file "" where that will do, else a fault in Postfix's words. */
export function readMainCf(path: string, world: World, missing: SettingsSource["missing"] = "fail"): string {
  const read = world.readText(path);
  if ("text" in read) return read.text;
  if (missing === "defaults" && read.code === "ENOENT") return "";
  const expected = "a directory that has a main.cf, with -c or MAIL_CONFIG";
  throw new ConfigurationFault([{
    level: "fatal",
    text: `open ${path}: ${read.error}`,
    file: path,
    expected,
  }]);
}

/** All explicit settings by name, the stronger over the weaker; and what could not be read. */
export function gatherSettings(
  source: SettingsSource,
): { main: MainCf; settings: Map<string, Setting>; diagnostics: Diagnostic[] } {
  const path = `${source.directory}/main.cf`;
  const main = parseMainCf(mainText(source, path), path);
  const settings = new Map<string, Setting>();
  for (const { name, value, line } of main.entries.values()) {
    settings.set(name, { name, value, file: path, line });
  }
  const environment = environmentSettings(source.environment ?? {}, source.world);
  for (const [name, setting] of environment.settings) settings.set(name, setting);
  for (const [name, value] of Object.entries(source.overrides ?? {})) {
    settings.set(name, { name, value, file: "command line" });
  }
  const diagnostics = [...main.diagnostics, ...environment.diagnostics, ...dropReadOnly(settings)];
  return { main, settings, diagnostics };
}

/** Assignments that have no effect, as postconf(1) warns of them. */
function dropReadOnly(settings: Map<string, Setting>): Diagnostic[] {
  const dropped: Diagnostic[] = [];
  for (const name of ["process_id", "process_name", "service_name", "config_directory"]) {
    const setting = settings.get(name);
    if (setting === undefined) continue;
    settings.delete(name);
    if (name !== "config_directory") dropped.push(readOnly(setting));
  }
  return dropped;
}

function readOnly({ name, value, file, line }: Setting): Diagnostic {
  const text = `${file}: read-only parameter assignment: ${name}=${value}`;
  return { level: "warning", text, file, ...(line !== undefined && { line }), parameter: name, value };
}

/**
 * The light path: reads main.cf and hands out settings that are expanded and checked one by one when asked for. Throws
 * `ConfigurationFault` when main.cf cannot be read or has a bad line. For the service itself use `loadConfiguration`.
 */
export function readSettings(source: SettingsSource): LightConfiguration {
  const { main, settings, diagnostics } = gatherSettings(source);
  const errors = diagnostics.filter((each) => each.level === "fatal");
  if (errors.length > 0) throw new ConfigurationFault(errors);
  return lightConfiguration(source, main, settings, diagnostics);
}

/** Puts gathered settings behind the names. */
export function lightConfiguration(
  source: SettingsSource,
  mainCf: MainCf,
  main: ReadonlyMap<string, Setting>,
  warnings: readonly Diagnostic[],
  serves?: true,
): LightConfiguration {
  const context: ScopeContext = {
    directory: source.directory,
    world: source.world,
    main,
    ...(serves && { serves }),
  };
  const scope = new Scope(context, new Map());
  const standIn = standInFor(context);
  let settings: Settings | undefined;
  return {
    directory: source.directory,
    get settings() {
      return settings ??= lazySettings(scope, standIn);
    },
    parameter: expandedParameter(scope, standIn),
    isSet: (name) => main.has(name),
    warnings,
    context,
    scope,
    mainCf,
  };
}
