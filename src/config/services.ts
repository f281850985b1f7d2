import { parseLevel } from "./compatibility_level.ts";
import type { Diagnostic } from "./syntax/diagnostic.ts";
import { endpointKey, listenAddresses } from "./listen_address.ts";
import { expandedParameter, lazySettings } from "./lazy_settings.ts";
import type { MasterCf, MasterEntry } from "./syntax/master_cf.ts";
import { READ_ONLY, Scope, type ScopeContext, type Setting, standInFor } from "./scope.ts";
import { splitList } from "./syntax/list.ts";
import type { Service } from "./service.ts";

/** A service, and the scope of names behind its settings. */
export interface ScopedService {
  readonly service: Service;
  readonly scope: Scope;
  readonly entry: MasterEntry;
}

/** The program's name, without the folder some write before it. */
function baseName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}

/** The names that hold for one entry only: its `-o`, and what the program sets itself (master(5)). */
function ownSettings(entry: MasterEntry, path: string, stress: string | undefined): Map<string, Setting> {
  const service = `${entry.name}/${entry.type}`;
  const place = { file: path, line: entry.line, service };
  const own = new Map<string, Setting>();
  if (stress !== undefined) own.set("stress", { name: "stress", value: stress, ...place });
  for (const { name, value } of entry.options) {
    if (!READ_ONLY.has(name)) own.set(name, { name, value, ...place });
  }
  const fixed = { process_name: baseName(entry.program), service_name: entry.name };
  for (const [name, value] of Object.entries(fixed)) own.set(name, { name, value, ...place });
  return own;
}

/** Whether master would tell the service of stress. */
const feelsStress = (entry: MasterEntry, limit: number) => entry.type === "inet" && limit > 1;

function scopedService(entry: MasterEntry, path: string, context: ScopeContext, main: Scope): ScopedService {
  const scope = new Scope(context, ownSettings(entry, path, undefined));
  const processLimit = entry.processLimit ?? Number(main.value("default_process_limit"));
  const standIn = standInFor(context);
  const settings = lazySettings(scope, standIn);
  const stressed = feelsStress(entry, processLimit)
    ? lazySettings(new Scope(context, ownSettings(entry, path, "yes")), standIn)
    : settings;
  const service: Service = {
    name: entry.name,
    type: entry.type,
    private: entry.private,
    unprivileged: entry.unprivileged,
    chroot: entry.chroot ?? chrootByDefault(main),
    wakeup: entry.wakeup,
    wakeupWhenUsed: entry.wakeupWhenUsed,
    processLimit,
    program: baseName(entry.program),
    args: entry.args,
    verbose: entry.verbose,
    untrustedGateways: () => scope.hiddenGateways().map(({ address }) => address),
    line: entry.line,
    settings,
    stressed,
    parameter: expandedParameter(scope, standIn),
  };
  return { service, scope, entry };
}

/** `-` in the chroot field means y below compatibility level 1. */
function chrootByDefault(main: Scope): boolean {
  return (parseLevel(main.expanded("compatibility_level") ?? "0") ?? 0) < 1024 * 1024;
}

/** Whether master_service_disable switches an entry off (`inet`, `smtp.inet`, `smtp/inet`, `!` before either). */
function isDisabled(entry: MasterEntry, patterns: readonly string[]): boolean {
  for (const pattern of patterns) {
    const negations = /^!*/.exec(pattern)![0].length;
    const bare = pattern.slice(negations);
    const dot = bare.includes("/") ? -1 : bare.lastIndexOf(".");
    const wanted = dot < 0 ? bare : `${bare.slice(0, dot)}/${bare.slice(dot + 1)}`;
    const own = wanted.includes("/") ? `${entry.name}/${entry.type}` : entry.type;
    if (own.toLowerCase() === wanted.toLowerCase()) return negations % 2 === 0;
  }
  return false;
}

/** All services that are switched on; of two with one name and type the last. */
export function buildServices(
  master: MasterCf,
  context: ScopeContext,
  main: Scope,
): { readonly services: readonly ScopedService[]; readonly diagnostics: readonly Diagnostic[] } {
  const text = (name: string) => main.expanded(name) ?? "";
  const listen = {
    inet_interfaces: text("inet_interfaces"),
    inet_protocols: text("inet_protocols"),
    known_tcp_ports: text("known_tcp_ports"),
  };
  const disabled = splitList(text("master_service_disable"));
  const services = new Map<string, ScopedService>();
  const diagnostics: Diagnostic[] = [];
  for (const entry of master.entries) {
    if (isDisabled(entry, disabled)) continue;
    const endpoint = entry.type === "inet" ? endpointKey(entry.name, listen, context.world) : entry.name;
    const key = `${endpoint}/${entry.type}`;
    const place = { file: master.path, line: entry.line, service: `${entry.name}/${entry.type}` };
    const earlier = services.get(key);
    if (earlier !== undefined) {
      const text =
        `duplicate master.cf entry for service "${entry.name}" (${endpoint}) -- using the last entry`;
      diagnostics.push({ level: "warning", text, ...place });
      services.delete(key);
    }
    if (entry.type === "inet") {
      const found = listenAddresses(entry.name, listen, context.world);
      if (found.is === "bad") {
        const { text, expected } = found;
        const level = "fatal";
        diagnostics.push({ level, text: `${master.path}: line ${entry.line}: ${text}`, expected, ...place });
      }
    }
    services.set(key, scopedService(entry, master.path, context, main));
  }
  return { services: [...services.values()], diagnostics };
}
