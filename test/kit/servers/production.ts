// config/production as it is, but for its folders, its ports, its certificate and where mail goes: users ann and bob at example.com.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SelfSigned } from "../memory/self_signed.ts";
import { banner, BINARY, freePort, mailOwner, runMta } from "../server.ts";
import { until } from "../waiting.ts";
import { endOf } from "./ending.ts";
import { spawnTied } from "./tied_child.ts";

const PRODUCTION = join(import.meta.dirname, "../../../config/production");

/** What ann and bob log in with. */
export const SECRET = "her secret";

/** Where its services are; `proxied` ones are 587 and 465 again, behind a proxy that is trusted. */
export interface ProductionPorts {
  readonly smtp: number;
  readonly submission: number;
  readonly submissions: number;
  readonly proxied: number;
  readonly proxiedTls: number;
}

export interface Production {
  readonly ports: ProductionPorts;
  log(): string;
  stop(): Promise<void>;
}

/** The services as they are, on other ports, and again behind a proxy. */
function masterCf(ports: ProductionPorts): string {
  const text = readFileSync(join(PRODUCTION, "master.cf"), "utf8");
  const at = (name: string, port: number, lines: string) =>
    lines.replace(new RegExp(`^${name}( +inet)`, "m"), `127.0.0.1:${port}$1`);
  const entry = (name: string) => new RegExp(`^${name} +inet.*\n(?:  .*\n)*`, "m").exec(text)![0];
  const proxied = (name: string, port: number) =>
    `${at(name, port, entry(name))}  -o smtpd_upstream_proxy_protocol=haproxy\n` +
    "  -o smtpd_upstream_proxy_networks=127.0.0.1\n";
  const moved = at(
    "smtp",
    ports.smtp,
    at("submission", ports.submission, at("465", ports.submissions, text)),
  );
  return moved + proxied("submission", ports.proxied) + proxied("465", ports.proxiedTls);
}

/** main.cf, with these settings in place of its own. */
function mainCf(directory: string, more: readonly string[]): string {
  const main = readFileSync(join(PRODUCTION, "main.cf"), "utf8")
    .replace("# smtpd_tls_chain_files", "smtpd_tls_chain_files");
  const here = [
    `queue_directory = ${directory}/queue`,
    `data_directory = ${directory}/data`,
    `mail_owner = ${mailOwner()}`,
    "inet_interfaces = 127.0.0.1",
    "maillog_file = /dev/stdout",
    "http_listen =",
    "alias_maps =",
    "alias_database =",
    // A client from here is a stranger.
    "mynetworks = 192.0.2.1",
    "default_transport = discard",
    "local_transport = discard",
    "local_recipient_maps =",
    "smtpd_peername_lookup = no",
    ...more,
  ];
  const kept = main.split("\n").filter((line) =>
    !here.some((each) => line.startsWith(`${each.split(" ")[0]} =`))
  );
  return [...kept, ...here, ""].join("\n");
}

/** Starts it with a certificate, and with more settings. */
export async function startProduction(own: SelfSigned, ...more: readonly string[]): Promise<Production> {
  const directory = mkdtempSync(join(tmpdir(), "mta-production-"));
  chmodSync(directory, 0o755);
  const config = join(directory, "config");
  cpSync(PRODUCTION, config, { recursive: true });
  const ports: ProductionPorts = {
    smtp: await freePort(),
    submission: await freePort(),
    submissions: await freePort(),
    proxied: await freePort(),
    proxiedTls: await freePort(),
  };
  writeFileSync(join(config, "master.cf"), masterCf(ports));
  writeFileSync(join(config, "tls.pem"), `${own.key}${own.certificate}`, { mode: 0o600 });
  for (const name of ["queue", "data"]) mkdirSync(join(directory, name));
  writeFileSync(join(config, "main.cf"), mainCf(directory, more));
  for (const name of ["ann", "bob"]) {
    const args = ["-c", config, "user", "add", `${name}@example.com`];
    const { code, stderr } = await runMta(args, { input: `${SECRET}\n` });
    if (code !== 0 || stderr !== "") throw new Error(`mta user add: ${code} ${stderr}`);
  }
  const child = spawnTied(BINARY, ["-c", config, "serve"], {});
  let log = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => log += chunk);
  await until(() => `its greeting:\n${log}`, async () => await banner(ports.submission) !== undefined);
  return {
    ports,
    log: () => log,
    stop: async () => {
      child.kill("SIGTERM");
      await endOf(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
