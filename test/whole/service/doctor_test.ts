// `mta doctor` of the compiled binary: all is right with a healthy configuration, and what is broken is named with its fix.
import { expect, setDefaultTimeout } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server as TcpServer } from "node:net";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { selfMadeAuthority, type TestAuthority } from "../../kit/memory/authority.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, mailOwner, runMta, type Server, startServer } from "../../kit/server.ts";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";

setDefaultTimeout(180_000);
const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta", "openssl");

interface Result {
  readonly severity: string;
  readonly check: string;
  readonly found: string;
  readonly fix?: string;
  readonly record?: string;
}

const ZONE = {
  ".": { NS: ["ns.example"] },
  "mail.example.com": { A: ["203.0.113.5"] },
  "5.113.0.203.in-addr.arpa": { PTR: ["mail.example.com"] },
  "relay.example": { A: ["127.0.0.1"] },
};

let dns: DnsServer;
let relay: SmtpPeer;
let authority: TestAuthority;

beforeAll(async () => {
  authority = selfMadeAuthority("Doctor's Root");
  dns = await startDnsServer(ZONE, { edns: true, authentic: true });
  relay = await startSmtpPeer({
    tls: authority.issue({ name: "relay.example" }),
    ehlo: ["PIPELINING", "AUTH PLAIN SCRAM-SHA-256", "STARTTLS"],
  });
});
afterAll(async () => {
  await relay.close();
  await dns.close();
});

const healthy = () => [
  `dns_servers = ${dns.address}`,
  "proxy_interfaces = 203.0.113.5",
  "message_size_limit = 1000000",
  `relayhost = [relay.example]:${relay.port}`,
  "smtp_tls_security_level = verify",
  "smtp_tls_CAfile = $config_directory/ca.pem",
  "smtp_sasl_auth_enable = yes",
  `smtp_sasl_password_maps = inline:{ {[relay.example]:${relay.port} = ann:secret} }`,
];

/** Whether anybody keeps this machine's clock, and what its folder for tests lies on, is not for a test to say. */
const ofOurs = (results: readonly Result[]) =>
  results.filter(({ check, severity }) => check !== "clock" && (check !== "queue" || severity === "problem"));

function read(stdout: string): readonly Result[] {
  const { worst, results } = JSON.parse(stdout) as { worst: string; results: readonly Result[] };
  const has = (severity: string) => results.some((each) => each.severity === severity);
  expect(worst).toBe(has("problem") ? "problem" : has("warning") ? "warning" : "ok");
  return results;
}

describe("with a healthy service that runs", () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ mainCf: healthy(), files: { "ca.pem": authority.certificate } });
  });
  afterAll(async () => {
    await server.stop();
  });

  test("all is right, and the relay has seen neither a login nor mail", async () => {
    const { code, stdout, stderr } = await server.mta("doctor", "--json");
    const results = read(stdout);
    expect({ stderr, wrong: ofOurs(results).filter(({ severity }) => severity !== "ok") })
      .toEqual({ stderr: "", wrong: [] });
    expect(results.map(({ check }) => check)).toEqual([
      "configuration",
      "tables",
      "certificates",
      "service",
      "ports",
      "queue",
      "clock",
      "resolver",
      "name",
      "relayhost",
    ]);
    expect(code).toBe(results.every(({ severity }) => severity === "ok") ? 0 : 1);
    expect(results.at(-1)!.found).toMatch(
      /^\[relay\.example\]:\d+ answers: .* TLSv1\.3, verified, a login by SCRAM/,
    );
    expect([relay.auth, relay.mails, relay.lines.filter((line) => /^MAIL/i.test(line))]).toEqual([
      [],
      [],
      [],
    ]);
  });

  test("the text fits a screen", async () => {
    const { stdout } = await server.mta("doctor");
    const lines = stdout.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(30);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.at(-1)).toMatch(/^\d+ ok, (?:no|\d+) warnings?, no problem$/);
  });

  test("an entry of master.cf that is not loaded is named", async () => {
    const port = await freePort();
    const config = server.configDirectory;
    writeFileSync(
      join(config, "master.cf"),
      `127.0.0.1:${port} inet n - n - - smtpd\nsmtp unix - - n - - smtp\n`,
    );
    const { code, stdout } = await server.mta("doctor", "--json");
    expect([code, read(stdout).find(({ check }) => check === "ports")]).toEqual([2, {
      severity: "problem",
      check: "ports",
      found: `127.0.0.1:${port} (127.0.0.1:${port}/inet) does not answer: Connection refused`,
      fix: "the service has not loaded this entry of master.cf: `mta reload`",
    }]);
  });
});

/** A configuration of which nothing runs. */
async function sick(
  main: readonly string[],
  use: (directory: string, port: number) => Promise<void> | void = () => {},
) {
  const directory = mkdtempSync(join(tmpdir(), "mta-doctor-"));
  const port = await freePort();
  for (const name of ["queue", "data"]) mkdirSync(join(directory, name));
  writeFileSync(join(directory, "ca.pem"), authority.certificate);
  writeFileSync(
    join(directory, "main.cf"),
    [
      "compatibility_level = 3.6",
      "myhostname = mail.example.com",
      "inet_interfaces = 127.0.0.1",
      "inet_protocols = ipv4",
      "alias_maps =",
      "alias_database =",
      `mail_owner = ${mailOwner()}`,
      `queue_directory = ${directory}/queue`,
      `data_directory = ${directory}/data`,
      ...healthy(),
      ...main,
      "",
    ].join("\n"),
  );
  const master = `127.0.0.1:${port} inet n - n - - smtpd\nsmtp unix - - n - - smtp\n`;
  writeFileSync(join(directory, "master.cf"), master);
  try {
    await use(directory, port);
    const { code, stdout } = await runMta(["-c", directory, "doctor", "--json"]);
    return { code, results: read(stdout) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const named = (results: readonly Result[], name: string) =>
  results.filter(({ severity, check }) => check === name && severity !== "ok");

test("a service that does not run is a warning, and all else is looked at", async () => {
  const { code, results } = await sick([]);
  expect(ofOurs(results).filter(({ severity }) => severity !== "ok").map(({ check }) => check)).toEqual(
    ["service"],
  );
  expect(code).toBe(1);
});

test("a port that another program has is a problem", async () => {
  let other: TcpServer | undefined;
  const { code, results } = await sick([], async (_, port) => {
    other = createServer();
    await new Promise<void>((done) => other!.listen(port, "127.0.0.1", done));
  });
  other!.close();
  expect(code).toBe(2);
  expect(named(results, "ports")[0]).toMatchObject({
    severity: "problem",
    fix: expect.stringContaining("ss -ltnp"),
  });
});

test("a table that is older than its source is named, with the command that makes it anew", async () => {
  const { results } = await sick(["transport_maps = hash:$config_directory/transport"], async (directory) => {
    writeFileSync(join(directory, "transport"), "example.net smtp:\n");
    await runMta(["-c", directory, "postmap", `hash:${directory}/transport`]);
    const later = Date.now() / 1000 + 3600;
    utimesSync(join(directory, "transport"), later, later);
  });
  const [stale] = named(results, "tables");
  expect(stale).toMatchObject({
    severity: "warning",
    found: expect.stringContaining("is older than source file"),
  });
  expect(stale!.fix).toMatch(/postmap hash:.*transport/);
});

test("a certificate for another name is named", async () => {
  const { results } = await sick(
    ["smtpd_tls_security_level = may", "smtpd_tls_chain_files = $config_directory/own.pem"],
    (directory) => {
      const { key, certificate } = authority.issue({ name: "www.example.com" });
      writeFileSync(join(directory, "own.pem"), key + certificate, { mode: 0o600 });
    },
  );
  expect(named(results, "certificates").map(({ found }) => found).join("\n"))
    .toContain("the certificate is for www.example.com, not for mail.example.com");
});

test("a queue in memory is a warning", async () => {
  const { results } = await sick([`queue_directory = /dev/shm/mta-doctor-test-queue`]);
  expect(named(results, "queue")).toEqual([{
    severity: "warning",
    check: "queue",
    found: expect.stringMatching(
      /^\/dev\/shm\/\S+ is in memory: tmpfs .*accepted mail is gone when the machine stops/,
    ),
    fix: "put queue_directory on a disk",
  }] as unknown as Result[]);
});

test("too little room for mail is a problem", async () => {
  const { results } = await sick(["queue_minfree = 4000000000000000"]);
  expect(named(results, "queue").find(({ severity }) => severity === "problem")).toMatchObject({
    found: expect.stringMatching(/^mail is refused: .* are free, and 4000 TB are kept free/),
  });
});

test("name servers: none that answers, and one that can do little", async () => {
  const dead = await sick(["dns_servers = 127.0.0.1:9"]);
  expect(named(dead.results, "resolver")[0]).toMatchObject({
    severity: "problem",
    found: expect.stringContaining("no name server answers (NS of .): 127.0.0.1:9: "),
  });
  const old = await startDnsServer(ZONE);
  const { results } = await sick([`dns_servers = ${old.address}`, "smtp_dns_support_level = dnssec"]);
  await old.close();
  expect(named(results, "resolver").map(({ found }) => found.slice(found.indexOf(" ") + 1, 60))).toEqual([
    expect.stringMatching(/^knows no EDNS/) as unknown as string,
    expect.stringMatching(/^does not say that answers are/) as unknown as string,
  ]);
});

test("a name that leads nowhere, and an address that leads nowhere, have the record to publish", async () => {
  const unknown = await sick(["myhostname = mx.example.com", "smtp_helo_name = mail.example.com"]);
  expect(named(unknown.results, "name")).toEqual([{
    severity: "warning",
    check: "name",
    found: "myhostname = mx.example.com does not exist",
    fix: "publish the address by which others reach this machine",
    record: expect.stringContaining("mx.example.com. A 203.0.113.5"),
  }] as unknown as Result[]);
  const other = await startDnsServer({ ...ZONE, "5.113.0.203.in-addr.arpa": {} }, {
    edns: true,
    authentic: true,
  });
  const { results } = await sick([`dns_servers = ${other.address}`, "relayhost ="]);
  await other.close();
  expect(named(results, "name")[0]).toMatchObject({
    severity: "problem",
    record: "5.113.0.203.in-addr.arpa. PTR mail.example.com.",
  });
});

describe("a relayhost", () => {
  const relayed = async (...main: string[]) => named((await sick(main)).results, "relayhost");

  test("where nobody listens is a problem", async () => {
    expect(await relayed(`relayhost = [relay.example]:${await freePort()}`)).toEqual([{
      severity: "problem",
      check: "relayhost",
      found: expect.stringMatching(/connect to relay\.example\[127\.0\.0\.1\]:\d+: Connection refused$/),
      fix: "nobody listens there: see the port in relayhost",
    }] as unknown as Result[]);
  });

  test("that is unknown is a problem", async () => {
    expect((await relayed("relayhost = [nowhere.example]"))[0]!.found).toContain(
      "Host or domain name not found",
    );
  });

  test("whose certificate nobody vouches for is a problem where that is demanded", async () => {
    expect((await relayed("smtp_tls_CAfile ="))[0]).toMatchObject({
      severity: "problem",
      found: expect.stringContaining("Server certificate not verified"),
      fix: expect.stringContaining("posttls-finger"),
    });
  });

  test("that offers no TLS, or no login, is a problem where it is demanded", async () => {
    const plain = await startSmtpPeer();
    const here = `relayhost = [relay.example]:${plain.port}`;
    expect((await relayed(here, "smtp_sasl_password_maps ="))[0]!.found).toContain(
      "TLS is required, but was not offered",
    );
    const login = `smtp_sasl_password_maps = inline:{ {[relay.example]:${plain.port} = ann:secret} }`;
    expect((await relayed(here, "smtp_tls_security_level = may", login))[0]!.found)
      .toContain("no login: it offers no login (AUTH)");
    await plain.close();
  });

  test("that takes logins of which none is configured is a warning", async () => {
    expect((await relayed("smtp_sasl_password_maps = inline:{ {other.example = ann:secret} }"))[0])
      .toMatchObject({
        severity: "warning",
        fix: `an entry of that table: [relay.example]:${relay.port} USER:PASSWORD`,
      });
  });
});

test("a configuration that cannot be read is a problem, and a word it does not know wrong usage", async () => {
  const { code, stdout } = await runMta(["-c", "/not/there", "doctor"]);
  expect(code).toBe(2);
  expect(stdout).toContain("open /not/there/main.cf: No such file or directory");
  const wrong = await runMta(["doctor", "--nonsense"]);
  expect([wrong.code, wrong.stdout]).toEqual([64, ""]);
  expect(wrong.stderr).toStartWith('mta doctor: fatal: unknown argument: "--nonsense"\nusage: mta');
});
