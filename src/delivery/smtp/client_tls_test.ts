import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfMadeAuthority, type TestAuthority } from "../../../test/kit/memory/authority.ts";
import type { SelfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { outcomeLines, type TestAgent, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";
import { parseHosts } from "../../dns/hosts.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import type { SmtpAgentOptions } from "./smtp_agent.ts";

const { afterAll, afterEach, beforeAll, describe, test } = withPeers(import.meta.path, "openssl");

let root: TestAuthority;
let right: SelfSigned;
let folder: string;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(() => {
  root = selfMadeAuthority("Root");
  right = root.issue({ name: "mx.example", names: "DNS:mx.example,DNS:also.example" });
  folder = mkdtempSync(join(tmpdir(), "client-tls-"));
  file("ca.pem", root.certificate);
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

async function server(script: PeerScript = {}): Promise<SmtpPeer> {
  const peer = await startSmtpPeer({ tls: right, ...script });
  closers.push(() => peer.close());
  return peer;
}

const HOSTS = "127.0.0.1 mx.example also.example other.example\n";

function agentWith(
  settings: Partial<SmtpAgentOptions["settings"]>,
  options: Partial<SmtpAgentOptions> = {},
): TestAgent {
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const made = testAgent({
    smtp_host_lookup: "native",
    smtp_tls_CAfile: join(folder, "ca.pem"),
    smtp_tls_fingerprint_digest: "sha256",
    lmtp_tls_fingerprint_digest: "sha256",
    smtp_tls_loglevel: "1",
    ...settings,
  }, {
    hosts: parseHosts(HOSTS),
    rewriting: { openTables, find: () => ({ answer: { is: "absent" }, key: "" }) as never },
    ...options,
  });
  closers.push(() => made.agent.close());
  return made;
}

describe("sessions", () => {
  const CACHED = {
    smtp_tls_security_level: "verify",
    smtp_tls_session_cache_database: "btree:${data_directory}/smtp_scache",
    smtp_connection_cache_on_demand: false,
  } as const;

  test("are resumed with the same server under the same demands, and what was found is remembered with them", async () => {
    const peer = await server();
    const { deliver, lines } = agentWith({ ...CACHED, smtp_tls_loglevel: "1, cache" });
    for (const host of ["mx.example", "mx.example", "also.example"]) {
      expect((await deliver({ nexthop: `[${host}]:${peer.port}` })).outcomes[0]?.tls?.trust).toBe("Verified");
    }
    expect([peer.connections, peer.resumed]).toEqual([3, 1]);
    expect(lines.filter((line) => /looking for session \[.*&[0-9A-F]{64} in smtp cache$/.test(line)))
      .toHaveLength(3);
    expect(lines.filter((line) => /reloaded session \[.* from smtp cache$/.test(line))).toHaveLength(1);
    const established = lines.filter((line) => line.includes("TLS connection established"));
    expect(established).toHaveLength(3);
    expect(established.every((line) => line.startsWith("smtp: Verified"))).toBe(true);
    expect(lines.filter((line) => line.endsWith("Reusing old session"))).toHaveLength(1);
  });

  test("are not kept without smtp_tls_session_cache_database, nor longer than they may be", async () => {
    const peer = await server();
    const nexthop = `[mx.example]:${peer.port}`;
    const without = agentWith({ ...CACHED, smtp_tls_session_cache_database: "" });
    let time = Date.now();
    const short = agentWith({ ...CACHED, smtp_tls_session_cache_timeout: 60 }, { now: () => time });
    for (const { deliver } of [without, without, short]) await deliver({ nexthop });
    expect(peer.resumed).toBe(0);
    time += 59_000;
    await short.deliver({ nexthop });
    expect(peer.resumed).toBe(1);
    // What it goes on with was looked at 61 seconds ago.
    time += 2000;
    expect(outcomeLines(await short.deliver({ nexthop }))[0]).toStartWith("sent");
    expect([peer.connections, peer.resumed]).toEqual([5, 1]);
  });

  test("of a server that was not good enough are not kept", async () => {
    const peer = await server();
    const { deliver, lines } = agentWith(CACHED);
    for (let i = 0; i < 2; i++) {
      expect(outcomeLines(await deliver({ nexthop: `[other.example]:${peer.port}` }))[0])
        .toContain("Server certificate not verified");
    }
    expect(peer.resumed).toBe(0);
    expect(lines.filter((line) => line.includes("num=62:hostname mismatch"))).toHaveLength(2);
  });
});

describe("connections", () => {
  const REUSE = { smtp_tls_security_level: "verify", smtp_tls_connection_reuse: true } as const;

  test("under TLS serve another delivery where that is asked for, and the log says so", async () => {
    const peer = await server();
    const { deliver, lines } = agentWith(REUSE);
    const nexthop = `[mx.example]:${peer.port}`;
    const uses = [await deliver({ nexthop }), await deliver({ nexthop })].map((report) =>
      report.connectionUse
    );
    expect([peer.connections, uses]).toEqual([1, [undefined, 2]]);
    expect(lines[1]).toMatch(
      /^smtp: Verified TLS connection reused to mx\.example\[127\.0\.0\.1\]:\d+: TLSv1\.3 with/,
    );
  });

  test("under TLS wait for mail where mail comes often, though none is there yet, and no longer", async () => {
    const peer = await server();
    let time = Date.now();
    const { deliver } = agentWith(REUSE, { now: () => time });
    const connectionsAfter = async (pause: number) => {
      time += pause;
      await deliver({ nexthop: `[mx.example]:${peer.port}`, more: false });
      return peer.connections;
    };
    // The first is alone; the second shows that there is more to come, and its connection serves the third.
    expect(await connectionsAfter(0)).toBe(1);
    expect(await connectionsAfter(500)).toBe(2);
    expect(await connectionsAfter(500)).toBe(2);
    expect(await connectionsAfter(60_000)).toBe(2);
    expect(await connectionsAfter(60_000)).toBe(3);
  });

  test("under TLS serve one delivery where it is not", async () => {
    const peer = await server();
    const { deliver } = agentWith({ smtp_tls_security_level: "encrypt" });
    for (let i = 0; i < 2; i++) await deliver({ nexthop: `[mx.example]:${peer.port}` });
    expect(peer.connections).toBe(2);
  });

  test("are for those alone who demand exactly the same", async () => {
    const peer = await server();
    const { deliver } = agentWith({
      smtp_tls_policy_maps:
        `inline:{ [mx.example]:${peer.port}=verify, [also.example]:${peer.port}=encrypt }`,
      smtp_tls_connection_reuse: true,
    });
    const connectionsAfter = async (host: string) => {
      expect(outcomeLines(await deliver({ nexthop: `[${host}]:${peer.port}` }))[0]).toStartWith("sent");
      return peer.connections;
    };
    expect(await connectionsAfter("mx.example")).toBe(1);
    // The same address and certificate; what was verified was another's name.
    expect(await connectionsAfter("also.example")).toBe(2);
    expect(await connectionsAfter("other.example")).toBe(3);
    expect(await connectionsAfter("mx.example")).toBe(3);
    expect(await connectionsAfter("also.example")).toBe(3);
    expect(await connectionsAfter("other.example")).toBe(3);
  });
});

test("a connection in the clear that took an old message is not for a young one, which may still go under TLS", async () => {
  const peer = await server({ tls: { ...right, handshake: "garbage" } });
  const nexthop = `[mx.example]:${peer.port}`;
  const { deliver } = agentWith({ smtp_tls_security_level: "may", minimal_backoff_time: 300 });
  const now = Date.now();
  expect(outcomeLines(await deliver({ nexthop, arrival: now - 400_000 }))[0]).toStartWith("sent");
  expect(outcomeLines(await deliver({ nexthop, arrival: now }))[0]).toContain(
    "Cannot start TLS: handshake failure",
  );
  expect([peer.mails.length, peer.connections]).toEqual([1, 3]);
});

test("the name that is asked for is the one that smtp_tls_servername says, and none without it", async () => {
  const names: [string, string][] = [["", ""], ["hostname", "mx.example"], ["nexthop", "mx.example"], [
    "a.example",
    "a.example",
  ]];
  for (const [servername, asked] of names) {
    const peer = await server();
    const { deliver } = agentWith({ smtp_tls_security_level: "encrypt", smtp_tls_servername: servername });
    await deliver({ nexthop: `[mx.example]:${peer.port}` });
    expect(peer.serverNames).toEqual([asked]);
  }
});

test("a reply that comes before MAIL is somebody else's, where smtp_tls_block_early_mail_reply looks at it", async () => {
  const early: PeerScript = {
    tls: { ...right, wrapper: true },
    ehlo: "250-peer\r\n250 SIZE 1000\r\n250 2.1.0 Ok",
  };
  const settings = { smtp_tls_security_level: "encrypt", smtp_tls_wrappermode: true } as const;
  const { deliver, lines } = agentWith({ ...settings, smtp_tls_block_early_mail_reply: true });
  const peer = await server(early);
  const report = await deliver({ nexthop: `[mx.example]:${peer.port}` });
  expect(outcomeLines(report)[0]).toMatch(/^deferred 4\.7\.0 .*\(unexpected server message\)$/);
  expect(peer.lines).not.toContain("MAIL FROM:<ann@example.com>");
  expect(lines.at(-1)).toBe(
    "smtp: warning: server mx.example[127.0.0.1] violates smtp_tls_block_early_mail_reply policy",
  );
});

test("a server that is not good enough gives way to the next one", async () => {
  const [bad, good] = [await server({ tls: selfMadeAuthority("mx.example") }), await server()];
  const { deliver } = agentWith({ smtp_tls_security_level: "verify" });
  const report = await deliver({ nexthop: `[mx.example]:${bad.port}, [mx.example]:${good.port}` });
  expect(outcomeLines(report)[0]).toStartWith(`sent 2.0.0 mx.example[127.0.0.1]:${good.port}`);
  expect([bad.mails.length, good.mails.length]).toEqual([0, 1]);
});

test("a handshake that fails makes a dead site only where TLS must be", async () => {
  const peer = await server({ tls: { ...right, handshake: "garbage" } });
  const nexthop = `[mx.example]:${peer.port}`;
  const now = Date.now();
  const siteOf = async (level: string) =>
    (await agentWith({ smtp_tls_security_level: level }).deliver({ nexthop, arrival: now })).deadSite?.text;
  expect(await siteOf("may")).toBeUndefined();
  expect(await siteOf("encrypt")).toBe("Cannot start TLS: handshake failure");
});

describe("what is logged of a server", () => {
  const told = (lines: readonly string[]) => ({
    made: lines.filter((line) => / TLS connection (established|reused) to /.test(line)).length,
    verbose: lines.filter((line) => line.includes("setting up TLS connection to")).length,
  });
  const NONE = { made: 0, verbose: 0 };
  const LINE = { made: 1, verbose: 0 };
  const ALL = { made: 1, verbose: 1 };

  test.each(["smtp", "lmtp"] as const)(
    "by %s is what a table says of its name or address, else the general level",
    async (program) => {
      const peer = await startSmtpPeer({ tls: right, lhlo: ["PIPELINING"] });
      closers.push(() => peer.close());
      const sent = async (host: string, maps: string, more: Partial<SmtpAgentOptions["settings"]> = {}) => {
        const { deliver, lines } = agentWith({
          lmtp_host_lookup: "native",
          [`${program}_tls_security_level`]: "encrypt",
          [`${program}_tls_loglevel`]: "1",
          [`${program}_tls_loglevel_maps`]: maps,
          ...more,
        }, { program });
        expect(outcomeLines(await deliver({ nexthop: `[${host}]:${peer.port}` }))[0]).toStartWith("sent");
        return told(lines);
      };
      const byName = "inline:{mx.example=0,{also.example=2}}";
      expect(await sent("mx.example", byName)).toEqual(NONE);
      expect(await sent("also.example", byName)).toEqual(ALL);
      expect(await sent("other.example", byName)).toEqual(LINE);
      expect(await sent("mx.example", "inline:{.example=0,example=2}")).toEqual(NONE);
      const parents = { parent_domain_matches_subdomains: "smtp_tls_loglevel_maps" };
      expect(await sent("mx.example", "inline:{.example=0,example=2}", parents)).toEqual(ALL);
      expect(await sent("other.example", "inline:{mx.example=2,127.0=0}")).toEqual(NONE);
      expect(await sent("mx.example", "inline:{mx.example=DUNNO,127.0=0}")).toEqual(LINE);
      expect(await sent("mx.example", "fail:x")).toEqual(LINE);
    },
  );

  test("counts for a connection that is used again", async () => {
    const [quiet, usual] = [await server(), await server()];
    const { deliver, lines } = agentWith({
      smtp_tls_security_level: "encrypt",
      smtp_tls_connection_reuse: true,
      smtp_connection_cache_destinations: "mx.example also.example",
      smtp_tls_loglevel_maps: "inline:{mx.example=0}",
    });
    for (const [host, { port }] of [["mx.example", quiet], ["also.example", usual]] as const) {
      for (let times = 0; times < 2; times++) await deliver({ nexthop: `[${host}]:${port}` });
    }
    expect([quiet.connections, usual.connections]).toEqual([1, 1]);
    expect(told(lines).made).toBe(2);
  });
});

describe("a socket of this machine", () => {
  async function overSocket(level: string): Promise<readonly [string, readonly string[], SmtpPeer]> {
    const path = join(folder, `socket-${level}`);
    const peer = await startSmtpPeer({ tls: right, lhlo: ["PIPELINING"] }, { path });
    closers.push(() => peer.close());
    const settings = {
      lmtp_tls_security_level: level,
      lmtp_tls_CAfile: join(folder, "ca.pem"),
      lmtp_tls_loglevel: "1",
    };
    const { deliver, lines } = agentWith(settings, { program: "lmtp" });
    const [line] = outcomeLines(await deliver({ nexthop: `unix:${path}` }));
    return [line!, lines, peer];
  }

  test("gets TLS that is asked for, and none that is only possible", async () => {
    const [may, warned, clear] = await overSocket("may");
    expect(may).toStartWith("sent");
    expect(warned).toEqual([
      "lmtp: warning: smtp_connect_local: opportunistic TLS encryption is not appropriate for unix-domain destinations.",
    ]);
    expect(clear.lines).not.toContain("STARTTLS");
    const [encrypted, lines] = await overSocket("encrypt");
    expect(encrypted).toStartWith("sent");
    expect(lines[0]).toMatch(
      /^lmtp: Trusted TLS connection established to mail\.example\.com\[.*\]: TLSv1\.3/,
    );
  });
});

test("authorities that change are seen, and a file that has gone bad changes nothing", async () => {
  const ca = file("changing.pem", selfMadeAuthority("Nobody").certificate);
  const peer = await server();
  let time = Date.now();
  const { stampOf, ...files } = (await import("../../tls/tls_files.ts")).ownTlsFiles;
  const tlsFiles = { ...files, stampOf, now: () => time };
  const { deliver, lines } = agentWith({ smtp_tls_security_level: "verify", smtp_tls_CAfile: ca }, {
    tlsFiles,
  });
  const [before] = outcomeLines(await deliver({ nexthop: `[mx.example]:${peer.port}` }));
  expect(before).toContain("Server certificate not verified");
  file("changing.pem", root.certificate);
  time += 6000;
  expect(outcomeLines(await deliver({ nexthop: `[mx.example]:${peer.port}` }))[0]).toStartWith("sent");
  file("changing.pem", "nothing");
  time += 6000;
  expect(outcomeLines(await deliver({ nexthop: `[mx.example]:${peer.port}` }))[0]).toStartWith("sent");
  expect(lines.join("\n")).toContain("the old ones are used");
});

test("a session is no way around authorities that are trusted no more", async () => {
  const ca = file("revoked.pem", root.certificate);
  const peer = await server();
  let time = Date.now();
  const { stampOf, ...files } = (await import("../../tls/tls_files.ts")).ownTlsFiles;
  const { deliver } = agentWith({
    smtp_tls_security_level: "verify",
    smtp_tls_CAfile: ca,
    smtp_tls_session_cache_database: "btree:x",
  }, { tlsFiles: { ...files, stampOf, now: () => time } });
  const nexthop = `[mx.example]:${peer.port}`;
  for (let i = 0; i < 2; i++) expect(outcomeLines(await deliver({ nexthop }))[0]).toStartWith("sent");
  expect(peer.resumed).toBe(1);
  file("revoked.pem", selfMadeAuthority("Nobody").certificate);
  time += 6000;
  expect(outcomeLines(await deliver({ nexthop }))[0]).toContain("Server certificate not verified");
  expect(peer.resumed).toBe(1);
});

test("loglevel 2 tells of ciphers, sessions, and whose certificate it was", async () => {
  const peer = await server();
  const { deliver, lines } = agentWith({
    smtp_tls_security_level: "verify",
    smtp_tls_loglevel: "2",
    smtp_tls_servername: "hostname",
  });
  await deliver({ nexthop: `[mx.example]:${peer.port}` });
  const said = lines.map((line) => line.replaceAll(String(peer.port), "P"));
  const whom = "mx.example[127.0.0.1]:P";
  expect(said.slice(0, 3)).toEqual([
    `smtp: setting up TLS connection to ${whom}`,
    `smtp: ${whom}: TLS cipher list "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH:!aNULL"`,
    `smtp: ${whom}: SNI hostname: mx.example`,
  ]);
  expect(said).toContain(`smtp: ${whom}: matched peername: mx.example`);
  expect(said.join("\n")).toMatch(
    /: subject_CN=mx\.example, issuer_CN=Root, fingerprint=(?:[0-9A-F]{2}:){31}[0-9A-F]{2}, pkey_fingerprint=/,
  );
});

test("port 465 without wrapper mode is worth a hint", async () => {
  const hint = 'smtp: SMTPS wrappermode (TCP port 465) requires setting "smtp_tls_wrappermode = yes", and ' +
    '"smtp_tls_security_level = encrypt" (or stronger)';
  const hintsOf = async (settings: Partial<SmtpAgentOptions["settings"]>) => {
    const { deliver, lines } = agentWith({ inet_protocols: "", ...settings });
    await deliver({ nexthop: "[192.0.2.1]:465" });
    return lines.filter((line) => line === hint).length;
  };
  expect(await hintsOf({})).toBe(1);
  expect(await hintsOf({ smtp_tls_wrappermode: true, smtp_tls_security_level: "encrypt" })).toBe(0);
  expect(await hintsOf({ helpful_warnings: false })).toBe(0);
});

describe("a server's side of a handshake", () => {
  /** Says STARTTLS in the clear, and lets through of the handshake what `passed` makes of it, then closes. */
  async function relay(upstream: number, passed: (chunk: Buffer) => Buffer): Promise<number> {
    const front = net.createServer((client) => {
      client.on("error", () => {});
      client.write("220 mx.example ESMTP\r\n");
      client.on("data", function clear(chunk: Buffer) {
        if (!chunk.toString("latin1").startsWith("STARTTLS")) {
          return void client.write("250-mx.example\r\n250 STARTTLS\r\n");
        }
        client.off("data", clear);
        client.write("220 go\r\n");
        const behind = net.connect(upstream, "127.0.0.1");
        behind.on("error", () => {});
        behind.on("data", (answer: Buffer) => client.end(passed(answer)));
        client.pipe(behind);
      });
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    closers.push(() => new Promise((resolve) => front.close(resolve)));
    return (front.address() as net.AddressInfo).port;
  }

  const refused = async (port: number) => {
    const { deliver, lines } = agentWith({ smtp_tls_security_level: "encrypt" });
    const [line] = outcomeLines(await deliver({ nexthop: `[mx.example]:${port}` }));
    expect(line).toMatch(/^deferred 4\.7\.5 .*\(Cannot start TLS: handshake failure\)$/);
    expect(lines[0]).toStartWith("smtp: SSL_connect error to mx.example[127.0.0.1]:");
  };

  test("that is cut short anywhere ends the connection, and nothing else", async () => {
    const upstream = await server({ tls: { ...right, wrapper: true } });
    for (let length = 0; length < 1000; length = length * 2 + 1) {
      await refused(await relay(upstream.port, (answer) => answer.subarray(0, length)));
    }
  });

  test("that has records beyond all measure, or of no kind, is none", async () => {
    const upstream = await server({ tls: { ...right, wrapper: true } });
    const records = [
      "16ffffffff",
      "1603034801".padEnd(200_000, "0"),
      "160303000400ffffff",
      "1503030002022800",
      "ff".repeat(70_000),
    ];
    for (const record of records) await refused(await relay(upstream.port, () => Buffer.from(record, "hex")));
  });
});
