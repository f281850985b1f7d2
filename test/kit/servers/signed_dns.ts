// A signed tree of zones for tests: an authoritative server (knot), a validating resolver before it (unbound), and keys and
// signatures by ldns. Nothing outside of this machine is asked: the root is one of the zones.
import { type ChildProcess, spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createResolver } from "../../../src/dns/resolver.ts";
import { freePort } from "../server.ts";
import { until } from "../waiting.ts";
import { spawnTied } from "./tied_child.ts";

/** How a zone is signed: not at all, in the past, or with a key that its parent does not know. */
export type Signing = "right" | "unsigned" | "expired" | "wrong key";

/** A zone; records as in a zone file. Its parent is the nearest of the other zones, else the root. */
export interface TestZone {
  readonly signing: Signing;
  readonly records: readonly string[];
}

export interface SignedDns {
  /** The resolver: `127.0.0.N`, port 53. */
  readonly resolver: string;
  stop(): Promise<void>;
}

/** Runs a tool of ldns in a folder and answers what it prints. */
function ldns(folder: string, tool: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(`/usr/bin/ldns-${tool}`, args, {
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`ldns-${tool} ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

const dotted = (name: string) => name === "." ? "." : `${name}.`;

/** A date as ldns-signzone has it, some days from now. */
function day(offset: number): string {
  return new Date(Date.now() + offset * 86_400_000).toISOString().replace(/\D/g, "").slice(0, 14);
}

/** Writes a zone and its signatures; answers its DS record. */
function writeZone(folder: string, name: string, { signing, records }: TestZone): string | undefined {
  const file = name === "." ? "root" : name;
  const soa = `$ORIGIN ${dotted(name)}\n$TTL 60\n@ SOA ns.test-dns. admin.test-dns. 1 3600 600 86400 60\n`;
  writeFileSync(join(folder, `${file}.zone`), `${soa}@ NS ns.test-dns.\n${records.join("\n")}\n`);
  if (signing === "unsigned") return undefined;
  const newKey = () => ldns(folder, "keygen", "-a", "ECDSAP256SHA256", "-k", dotted(name));
  const key = newKey();
  const dates = signing === "expired" ? ["-i", day(-60), "-e", day(-30)] : ["-i", day(-1), "-e", day(30)];
  ldns(folder, "signzone", ...dates, "-f", `${file}.zone`, `${file}.zone`, key);
  const known = signing === "wrong key" ? newKey() : key;
  return readFileSync(join(folder, `${known}.ds`), "utf8").trim();
}

/** Writes all zones, each with the delegations of those below it, and the root; answers the root's DS record. */
function writeTree(folder: string, zones: Readonly<Record<string, TestZone>>): string | undefined {
  const labels = (name: string) => name.split(".").length;
  const deepestFirst = Object.keys(zones).sort((a, b) => labels(b) - labels(a));
  const delegations = new Map<string, string[]>([[".", ["ns.test-dns. A 127.0.0.1"]]]);
  const below = (name: string) => delegations.get(name) ?? [];
  for (const name of deepestFirst) {
    const { signing, records } = zones[name]!;
    const ds = writeZone(folder, name, { signing, records: [...records, ...below(name)] });
    const parent = deepestFirst.find((other) => name.endsWith(`.${other}`)) ?? ".";
    const lines = [`${dotted(name)} NS ns.test-dns.`, ...(ds === undefined ? [] : [ds])];
    delegations.set(parent, [...below(parent), ...lines]);
  }
  return writeZone(folder, ".", { signing: "right", records: below(".") });
}

/** The authoritative server's configuration: all zones at one address, so that every way down the tree leads to it. */
function knotConf(folder: string, port: number, names: readonly string[]): string {
  const zones = names.map((name) =>
    `  - domain: ${dotted(name)}\n    file: ${name === "." ? "root" : name}.zone\n`
  );
  return `server:
  rundir: ${folder}
  listen: 127.0.0.1@${port}
database:
  storage: ${folder}/db
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: ${folder}
    zonefile-sync: -1
    journal-content: none
zone:
${zones.join("")}`;
}

function unboundConf(folder: string, address: string, port: number): string {
  return `server:
  interface: ${address}@53
  do-ip6: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-daemonize: no
  num-threads: 1
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  qname-minimisation: no
  trust-anchor-file: "${folder}/anchor"
  module-config: "validator iterator"
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@${port}
`;
}

/** Starts both servers; `resolver` is an address of the loopback network whose port 53 nobody else uses. Needs root. */
export async function startSignedDns(
  resolver: string,
  zones: Readonly<Record<string, TestZone>>,
): Promise<SignedDns> {
  const folder = mkdtempSync(join(tmpdir(), "signed-dns-"));
  mkdirSync(join(folder, "db"));
  writeFileSync(join(folder, "anchor"), `${writeTree(folder, zones)}\n`);
  const port = await freePort();
  writeFileSync(join(folder, "knot.conf"), knotConf(folder, port, [".", ...Object.keys(zones)]));
  writeFileSync(join(folder, "unbound.conf"), unboundConf(folder, resolver, port));
  const log = openSync(join(folder, "log"), "a");
  const stdio = ["ignore", log, log] as const;
  // Where AppArmor confines unbound, it is by its path.
  const unbound = join(folder, "unbound");
  copyFileSync("/usr/sbin/unbound", unbound);
  const children = [
    spawnTied("/usr/sbin/knotd", ["-c", join(folder, "knot.conf")], { stdio: [...stdio] }),
    spawnTied(unbound, ["-d", "-c", join(folder, "unbound.conf")], { stdio: [...stdio] }),
  ];
  closeSync(log);
  const stop = async () => {
    await Promise.all(children.map(ended));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await validates(resolver);
  } catch (error) {
    const said = readFileSync(join(folder, "log"), "utf8").slice(-3000);
    await stop();
    throw new Error(`${String(error)}\n${said}`);
  }
  return { resolver, stop };
}

/** Waits until the resolver vouches for the root. */
async function validates(resolver: string): Promise<void> {
  await until(`a validated answer from ${resolver}`, async () => {
    const dns = createResolver({
      servers: [{ host: resolver, port: 53 }],
      timeout: 1000,
      trustsAd: () => true,
    });
    const answer = await dns.query(".", "NS");
    return answer.is === "records" && answer.authentic;
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
