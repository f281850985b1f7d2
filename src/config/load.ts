import { resolve } from "node:path";
import { closedServices, withDependents } from "./check/closings.ts";
import { checkConfiguration } from "./check/check_configuration.ts";
import { DEFAULT_MASTER_CF } from "./default_master_cf.ts";
import { ConfigurationFault, type Diagnostic } from "./syntax/diagnostic.ts";
import { parseMasterCf } from "./syntax/master_cf.ts";
import { gatherSettings, lightConfiguration, readMainCf, type SettingsSource } from "./read_settings.ts";
import type { Setting } from "./scope.ts";
import { withClosing } from "./close_services.ts";
import type { Configuration, ConfigurationTexts } from "./service.ts";
import { buildServices } from "./services.ts";
import { realWorld, type World } from "./world.ts";
import { ownProcessId } from "../platform/host.ts";
import { ownIds, userById, userByName } from "../platform/process/users.ts";
import type { SystemUsers } from "./check/check_users.ts";

/** What to load a configuration from. */
export interface LoadSource {
  readonly directory: string;
  /** For `MTA_<parameter>`; none when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Settings of the command line; they beat all others. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** Texts that somebody has read already; then neither files nor environment count. */
  readonly texts?: ConfigurationTexts;
  /** The machine; the real one when left out. */
  readonly world?: World;
  /** The system's users; the real ones when left out. */
  readonly users?: SystemUsers;
}

/** A configuration that may serve, or every reason why not. */
export type Loaded =
  /** `warnings` has what closes single services, too. */
  | { readonly is: "loaded"; readonly configuration: Configuration; readonly warnings: readonly Diagnostic[] }
  | {
    readonly is: "bad";
    readonly errors: readonly Diagnostic[];
    readonly warnings: readonly Diagnostic[];
    /** As far as it can be told, to look for more that is wrong; nobody may serve it. */
    readonly unfit?: Configuration;
  };

/** Reads and checks main.cf and master.cf whole; reports all that is wrong at once (postfix(1), check). */
export function loadConfiguration(source: LoadSource): Loaded {
  try {
    return load(source);
  } catch (error) {
    if (error instanceof ConfigurationFault) return { is: "bad", errors: error.diagnostics, warnings: [] };
    throw error;
  }
}

interface Gathered {
  readonly settings: Map<string, Setting>;
  readonly diagnostics: readonly Diagnostic[];
  readonly source: SettingsSource;
  readonly main: ReturnType<typeof gatherSettings>["main"];
  readonly texts: ConfigurationTexts;
}

function gather(source: LoadSource, world: World): Gathered {
  const directory = resolve(source.directory);
  const { texts } = source;
  const base: SettingsSource = texts === undefined
    ? { directory, world, environment: source.environment ?? {}, overrides: source.overrides ?? {} }
    : { directory, world, main: texts.main };
  const main = base.main ?? readMainCf(`${directory}/main.cf`, world);
  const { main: parsed, settings, diagnostics } = gatherSettings({ ...base, main });
  for (const override of texts?.overrides ?? []) settings.set(override.name, override);
  const overrides = [...settings.values()].filter((each) => each.file !== parsed.path)
    .map(({ name, value, file, secret }) => ({ name, value, file, ...(secret && { secret }) }));
  const master = texts?.master ?? readMaster(directory, world);
  return {
    settings,
    diagnostics,
    source: base,
    main: parsed,
    texts: {
      main,
      master,
      overrides,
      ...(texts?.lent !== undefined && { lent: texts.lent }),
      ...(texts?.keys !== undefined && { keys: texts.keys }),
      ...(texts?.closed !== undefined && { closed: texts.closed }),
    },
  };
}

function readMaster(directory: string, world: World): string {
  const path = `${directory}/master.cf`;
  const read = world.readText(path);
  if ("text" in read) return read.text;
  if (read.code === "ENOENT") return DEFAULT_MASTER_CF;
  throw new ConfigurationFault([{ level: "fatal", text: `open ${path}: ${read.error}`, file: path }]);
}

function load(source: LoadSource): Loaded {
  const world = source.world ?? realWorld(ownProcessId(), "mta");
  const { settings, diagnostics, source: base, main, texts } = gather(source, world);
  const master = parseMasterCf(texts.master, `${base.directory}/master.cf`);
  const light = lightConfiguration(base, main, settings, [], true);
  const found: Diagnostic[] = [...diagnostics, ...master.diagnostics];
  const built = attempt(found, () => buildServices(master, light.context, light.scope));
  if (built !== undefined) found.push(...built.diagnostics);
  const services = built?.services ?? [];
  found.push(...checkConfiguration({ light, services, master, users: source.users ?? realUsers() }));
  const plain = services.map(({ service }) => service);
  const unique = withoutRepeats(found).map((each) => withDependents(each, plain));
  const errors = unique.filter((each) => each.level === "fatal");
  const warnings = unique.filter((each) => each.level !== "fatal");
  const closed = closedServices(unique);
  for (const [key, why] of Object.entries(texts.closed ?? {})) if (!closed.has(key)) closed.set(key, why);
  const configuration: Configuration = {
    directory: base.directory,
    settings: light.settings,
    parameter: light.parameter,
    isSet: light.isSet,
    services: plain.map((service) => withClosing(service, closed)),
    texts,
  };
  if (errors.length > 0) {
    const { texts: _secrets, ...unfit } = configuration;
    return { is: "bad", errors, warnings, ...(built !== undefined && { unfit }) };
  }
  return { is: "loaded", configuration, warnings };
}

/** The system we run on. */
function realUsers(): SystemUsers {
  return { userByName, userById, isRoot: ownIds().uid === 0 };
}

/** A value that services cannot be built without is reported like any other. */
function attempt<T>(found: Diagnostic[], build: () => T): T | undefined {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof ConfigurationFault)) throw error;
    found.push(...error.diagnostics);
    return undefined;
  }
}

function withoutRepeats(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Map<string, Diagnostic>();
  for (const each of diagnostics) {
    const key = `${each.level} ${each.file} ${each.line} ${each.service} ${each.text}`;
    const before = seen.get(key);
    if (before === undefined) seen.set(key, each);
    else if (each.closes !== undefined) {
      seen.set(key, { ...before, closes: [...new Set([...before.closes ?? [], ...each.closes])] });
    }
  }
  return [...seen.values()];
}
