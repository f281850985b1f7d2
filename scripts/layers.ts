// The plan of the house as a check: which room may import which, the order of sub-rooms inside a room, no cycles between files,
// not of types either, and the runtime only in platform/. Run by `deno task check` and by the tests;
// exits 1 and names each breach.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";

/** Bands from the ground up. A room imports from the bands before its own. */
const BANDS: readonly (readonly string[])[] = [
  ["base", "platform", "observe"],
  ["address", "smtp", "message", "dns", "config"],
  ["regex", "table", "tls", "acme", "sasl", "milter", "mailauth", "queue"],
  ["rewrite", "routing", "access"],
  ["cleanup", "bounce", "verify", "flush", "pickup", "smtpd", "anvil", "delivery", "qmgr"],
  ["http", "explain", "worker", "master", "doctor", "commands", "main.ts"],
];

/** Inside a band only this is allowed: room -> rooms of its band, each listed earlier. */
const WITHIN: Readonly<Record<string, readonly string[]>> = {
  platform: ["base"],
  observe: ["base", "platform"],
  smtp: ["address"],
  message: ["address"],
  dns: ["address"],
  config: ["address"],
  routing: ["rewrite"],
  access: ["rewrite", "routing"],
  bounce: ["cleanup"],
  verify: ["cleanup"],
  pickup: ["cleanup", "bounce"],
  smtpd: ["cleanup", "flush"],
  anvil: ["smtpd"],
  table: ["regex"],
  acme: ["tls"],
  sasl: ["table"],
  milter: ["table"],
  delivery: ["cleanup"],
  qmgr: ["bounce", "delivery"],
  worker: ["explain", "master/control", "master/helper"],
  master: ["http", "explain", "worker"],
  doctor: ["worker", "master"],
  commands: ["worker", "master", "http", "explain", "doctor"],
  "main.ts": ["commands", "worker", "master"],
};

const COMMANDS = [
  "service",
  "queue",
  "postconf",
  "table",
  "user",
  "oauth",
  "dkim",
  "dmarc",
  "finger",
  "sendmail",
  "instances",
];

/**
 * Folders with sub-rooms, in their order: a sub-room imports from those before it and from the files that lie in the folder
 * itself (its common language); the folder's own files may import any of them. `inner` ones are nobody else's business: from outside
 * they are reached through the folder's own files.
 */
const SUB_ROOMS: Readonly<
  Record<string, { readonly order: readonly string[]; readonly inner: readonly string[] }>
> = {
  access: { order: ["reply", "table", "restrictions", "engine", "relay_proof"], inner: ["table", "engine"] },
  commands: { order: COMMANDS, inner: COMMANDS },
  cleanup: { order: ["milters", "signing", "authentication"], inner: [] },
  config: { order: ["parameters", "syntax", "check"], inner: [] },
  delivery: { order: ["mailbox", "local", "virtual", "pipe", "smtp"], inner: [] },
  "delivery/smtp": { order: ["route", "tls", "content", "login"], inner: ["content", "login"] },
  doctor: { order: ["health", "rehearsal"], inner: [] },
  explain: { order: ["watch", "edit", "print"], inner: ["watch", "edit"] },
  master: {
    order: ["control", "helper", "spawn", "limits", "lending", "certificates", "acme", "check"],
    inner: ["limits", "lending", "certificates"],
  },
  mailauth: { order: ["tags", "spf", "dkim", "arc", "dmarc", "results", "srs", "reports"], inner: [] },
  platform: { order: ["process", "file", "socket", "database", "crypto"], inner: [] },
  "platform/file": { order: ["folder", "lock", "mailbox"], inner: [] },
  "commands/queue": { order: ["postcat"], inner: [] },
  pickup: { order: ["drop"], inner: [] },
  queue: { order: ["filter", "index", "log", "file_store"], inner: ["index"] },
  sasl: {
    order: ["password", "mechanism", "client", "oauth", "internal", "dovecot", "cyrus"],
    inner: ["dovecot", "cyrus"],
  },
  smtpd: {
    order: ["before_queue", "authentication", "policy", "tls", "message", "command", "session", "listener"],
    inner: ["message", "command", "session"],
  },
  tls: { order: ["x509", "own", "verification", "https", "sts", "dane", "client", "tlsrpt"], inner: [] },
  worker: { order: ["protocol", "services", "questions"], inner: ["questions"] },
  "worker/services": { order: ["reports"], inner: [] },
  "master/check": { order: ["logins"], inner: ["logins"] },
  table: {
    order: [
      "text",
      "search",
      "plain",
      "composed",
      "index",
      "pattern",
      "remote",
      "query_file",
      "network",
      "sql",
      "ldap",
    ],
    inner: ["plain", "composed", "pattern", "query_file", "network", "ldap"],
  },
  "table/index": { order: ["records"], inner: [] },
};

/** Packages that belong to one room. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  hono: ["http"],
  zod: ["http", "config"],
  "dns-packet": ["dns"],
  "@fishballpkg/acme": ["acme"],
  ldapts: ["table"],
  jose: ["sasl"],
  "@mongodb-js/saslprep": ["sasl"],
};

/** Modules of the runtime that are plain computation and may be used anywhere. */
const PURE = new Set(["node:buffer", "node:path", "node:util", "node:assert", "node:string_decoder"]);

interface Breach {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

interface Import {
  readonly line: number;
  readonly target: string;
}

const IMPORT =
  /(?:^|[;\s])(?:import|export)\s+(type\s)?(?:[^'"();]*?\sfrom\s+)?["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
    .replace(/(^|[^:"'`])\/\/[^\n]*/g, "$1");
}

function importsOf(source: string): Import[] {
  const found: Import[] = [];
  for (const match of source.matchAll(IMPORT)) {
    const line = source.slice(0, match.index + match[0].length).split("\n").length;
    found.push({ line, target: match[2] ?? match[3]! });
  }
  return found;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/_test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)).sort();
}

function roomOf(src: string, file: string): string {
  return relative(src, file).split("/")[0]!;
}

function bandOf(room: string): number {
  return BANDS.findIndex((band) => band.includes(room));
}

/** Whether files of the folder `from` may import files of the folder `to`, as far as bands and rooms go. */
function mayImport(from: string, to: string): boolean {
  const [room, other] = [from.split("/")[0]!, to.split("/")[0]!];
  if (room === other) return true;
  const [here, there] = [bandOf(room), bandOf(other)];
  if (there < here) return true;
  return there === here && (WITHIN[room] ?? []).some((may) => to === may || to.startsWith(`${may}/`));
}

/** The folders around a file, from the room inwards: `a/b/c.ts` lies in `a` and `a/b`. */
function foldersOf(src: string, file: string): string[] {
  const parts = relative(src, file).split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}

/** What the order of sub-rooms says against an import, if anything. */
function subRoomBreach(src: string, file: string, to: string): string | undefined {
  const [here, there] = [foldersOf(src, file), foldersOf(src, to)];
  for (const [depth, folder] of there.entries()) {
    const [plan, sub] = [SUB_ROOMS[folder], there[depth + 1]?.slice(folder.length + 1)];
    if (sub === undefined) continue;
    if (plan === undefined || !plan.order.includes(sub)) {
      return `${folder}/${sub}/ is no sub-room; add it to scripts/layers.ts`;
    }
    if (here[depth] !== folder) {
      if (plan.inner.includes(sub)) return `${folder}/${sub}/ is private to ${folder}/`;
      continue;
    }
    const own = here[depth + 1]?.slice(folder.length + 1);
    if (own === undefined || own === sub) continue;
    if (plan.order.indexOf(sub) > plan.order.indexOf(own)) {
      return `${folder}/${own}/ may not import ${folder}/${sub}/`;
    }
  }
  return undefined;
}

const RUNTIME = /(?<![\w.$"'`/])(?:globalThis\.)?(?:(?:Bun|Deno)\.\w+|process\.\w+)/g;

/** What the source of a file touches of the runtime by name. */
function runtimeUses(source: string): { readonly line: number; readonly what: string }[] {
  return [...source.matchAll(RUNTIME)].map((match) => ({
    line: source.slice(0, match.index).split("\n").length,
    what: `${match[0]}: the runtime belongs to platform/`,
  }));
}

/** What is wrong with importing a file of the house, if anything. */
function fileBreach(src: string, file: string, target: string): string | undefined {
  const [room, to] = [roomOf(src, file), resolve(dirname(file), target)];
  if (!to.startsWith(`${src}/`)) return `${target} is outside src/`;
  const there = relative(src, dirname(to)) || roomOf(src, to);
  if (!mayImport(relative(src, dirname(file)) || room, there)) {
    return `${room}/ may not import ${roomOf(src, to)}/ (${target})`;
  }
  const inside = subRoomBreach(src, file, to);
  if (inside !== undefined) return `${inside} (${target})`;
  const isPrivate = basename(to).startsWith("_") && dirname(to) !== dirname(file);
  return isPrivate ? `${target} is private to its folder` : undefined;
}

/** What is wrong with importing a module of the runtime or a package, if anything. */
function moduleBreach(room: string, target: string): string | undefined {
  if (target === "bun" || /^(bun|node):/.test(target)) {
    return room === "platform" || PURE.has(target)
      ? undefined
      : `"${target}": the runtime belongs to platform/`;
  }
  const name = target.split("/").slice(0, target.startsWith("@") ? 2 : 1).join("/");
  const rooms = PACKAGES[name];
  if (rooms === undefined) return `package "${name}" has no room; add it to scripts/layers.ts`;
  return rooms.includes(room) ? undefined : `package "${name}" belongs to ${rooms.join(" and ")}/`;
}

/** All breaches of the plan below `src`. */
export function breaches(src: string): Breach[] {
  const out: Breach[] = [];
  const graph = new Map<string, string[]>();
  for (const file of sources(src)) {
    const source = withoutComments(readFileSync(file, "utf8"));
    const room = roomOf(src, file);
    const say = (line: number, what: string) => out.push({ file: relative(dirname(src), file), line, what });
    if (bandOf(room) < 0) say(1, `room "${room}" is in no band; add it to scripts/layers.ts`);
    if (room !== "platform") { for (const { line, what } of runtimeUses(source)) say(line, what); }
    const imports = importsOf(source);
    for (const { line, target } of imports) {
      const breach = target.startsWith(".") ? fileBreach(src, file, target) : moduleBreach(room, target);
      if (breach !== undefined) say(line, breach);
    }
    const edges = imports.filter(({ target }) => target.startsWith("."));
    graph.set(file, edges.map(({ target }) => resolve(dirname(file), target)));
  }
  for (const cycle of cycles(graph)) {
    out.push({
      file: relative(dirname(src), cycle[0]!),
      line: 1,
      what: `import cycle: ${[...cycle, cycle[0]!].map((file) => relative(src, file)).join(" -> ")}`,
    });
  }
  return out;
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const done = new Set<string>();
  const found: string[][] = [];
  const walk = (file: string, path: string[]) => {
    const at = path.indexOf(file);
    if (at >= 0) return void found.push(path.slice(at));
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return found;
}

/** Rooms that do not say what they are for. */
export function roomsWithoutReadme(src: string): Breach[] {
  return readdirSync(src, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !existsSync(join(src, entry.name, "README.md")))
    .map(({ name }) => ({
      file: `src/${name}`,
      line: 1,
      what: "a room needs a README.md: what it is for, its door, its rule",
    }));
}

if (import.meta.main) {
  const src = resolve(import.meta.dirname!, "../src");
  const found = [...breaches(src), ...roomsWithoutReadme(src)];
  for (const { file, line, what } of found) console.error(`${file}:${line}: ${what}`);
  if (found.length > 0) process.exit(1);
  console.log("layers: no breach");
}
