import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../../../test/kit/waiting.ts";
import { withPeers } from "../../../../test/kit/peers.ts";
import { outcomeLines, type TestAgent, testAgent } from "../../../../test/kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../../../test/kit/servers/smtp_peer.ts";
import { type SelfSigned, selfSigned } from "../../../../test/kit/memory/self_signed.ts";
import type { Settings } from "../../../config/parameters/settings_type.ts";
import { parseHosts } from "../../../dns/hosts.ts";
import { createFindAddress } from "../../../rewrite/find_address.ts";
import type { LocalDomains } from "../../../rewrite/local_domains.ts";
import { createOpenTables } from "../../../rewrite/open_tables.ts";
import { internalAddress } from "../../../address/address.ts";
import type { ServerReply } from "../../../smtp/reply_reader.ts";
import type { SessionNotice } from "../../../smtp/session_notice.ts";
import { parseEntry } from "./password_entry.ts";
import { RefusedLogins } from "./refused_logins.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "openssl");

const OK = "235 2.7.0 ok";
const REFUSED = "535 5.7.8 no";
const openTables = createOpenTables({
  directory: "",
  parameter: () => undefined,
  warn: () => {},
  clock: () => 0,
});
const form = { recipient_delimiter: "+", owner_request_special: false, myorigin: "mail.example.com" };
const find = createFindAddress(form as Settings, { isLocal: () => false } as unknown as LocalDomains);

let folder: string;
let own: SelfSigned;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "login-"));
  own = selfSigned("mail.example.com");
});
afterAll(() => rmSync(folder, { recursive: true }));

function agentWith(settings: Partial<Settings>, more: Parameters<typeof testAgent>[1] = {}): TestAgent {
  return testAgent({
    smtp_tls_fingerprint_digest: "sha256",
    smtp_sasl_auth_enable: true,
    smtp_sasl_security_options: "noanonymous",
    smtp_sasl_tls_security_options: "noanonymous",
    smtp_sasl_tls_verified_security_options: "noanonymous",
    ...settings,
  }, { rewriting: { openTables, find }, ...more });
}

const plain = { ehlo: ["AUTH PLAIN"], auth: () => OK };

async function withPeer<T>(
  script: Parameters<typeof startSmtpPeer>[0],
  work: (peer: SmtpPeer) => Promise<T>,
): Promise<T> {
  const peer = await startSmtpPeer(script);
  try {
    return await work(peer);
  } finally {
    await peer.close();
  }
}

describe("a kept connection", () => {
  test("is used again for the same login only", async () => {
    await withPeer(plain, async (peer) => {
      const { agent, deliver } = agentWith({
        smtp_sender_dependent_authentication: true,
        smtp_sasl_password_maps: "inline:{ ann@example.com=ann:a, bob@example.com=bob:b }",
      });
      const send = async (sender: string) => {
        const report = await deliver({
          nexthop: `[127.0.0.1]:${peer.port}`,
          sender: internalAddress(sender),
        });
        return [report.outcomes[0]!.is, peer.connections] as const;
      };
      expect(await send("ann@example.com")).toEqual(["sent", 1]);
      expect(await send("ann@example.com")).toEqual(["sent", 1]);
      expect(await send("bob@example.com")).toEqual(["sent", 2]);
      expect(await send("carol@example.com")).toEqual(["sent", 3]);
      expect(await send("carol@example.com")).toEqual(["sent", 3]);
      expect(peer.auth).toEqual(["AUTH PLAIN ^@ann^@a", "AUTH PLAIN ^@bob^@b"]);
      await agent.close();
    });
  });

  test("to a host is not used for another name of it that has a password", async () => {
    await withPeer(plain, async (peer) => {
      const { agent, deliver } = agentWith({
        smtp_host_lookup: "native",
        smtp_sasl_password_maps: "inline:{ strict.example=user:secret }",
      }, { hosts: parseHosts("127.0.0.1 free.example strict.example\n") });
      const send = async (name: string) => {
        const report = await deliver({ nexthop: `[${name}]:${peer.port}` });
        return [report.outcomes[0]!.is, peer.connections, peer.auth.length] as const;
      };
      expect(await send("free.example")).toEqual(["sent", 1, 0]);
      expect(await send("strict.example")).toEqual(["sent", 2, 1]);
      expect(await send("free.example")).toEqual(["sent", 2, 1]);
      await agent.close();
    });
  });
});

describe("under TLS", () => {
  const secured = {
    smtp_tls_security_level: "encrypt",
    smtp_sasl_password_maps: "static:user:secret",
  } as const;

  test("other security options hold, and a plain password leaves only then", async () => {
    const options = { smtp_sasl_security_options: "noplaintext, noanonymous" };
    await withPeer({ ...plain, tls: own }, async (peer) => {
      const send = async (settings: Partial<Settings>) => {
        const { agent, deliver } = agentWith({ ...options, ...settings });
        const report = await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
        await agent.close();
        return outcomeLines(report)[0]!.replace(/127\S+/, "SERVER");
      };
      expect(await send({ ...secured, smtp_tls_security_level: "none" })).toBe(
        "deferred 4.7.0 SERVER (SASL authentication failed; cannot authenticate to server 127.0.0.1[127.0.0.1]: no mechanism available)",
      );
      expect(peer.auth).toEqual([]);
      expect(await send(secured)).toStartWith("sent 2.0.0 SERVER");
      expect(peer.auth).toEqual(["AUTH PLAIN ^@user^@secret"]);
    });
  });

  test("options for verified servers do not hold for one that nobody has verified", async () => {
    await withPeer({ ...plain, tls: own }, async (peer) => {
      const { agent, deliver } = agentWith({
        ...secured,
        smtp_sasl_tls_security_options: "noplaintext",
        smtp_sasl_tls_verified_security_options: "noanonymous",
      });
      const report = await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
      expect(outcomeLines(report)[0]).toContain("no mechanism available");
      expect(peer.auth).toEqual([]);
      await agent.close();
    });
  });
});

test("a word in the security options that nobody knows lets no password out", async () => {
  await withPeer(plain, async (peer) => {
    const { agent, deliver } = agentWith({
      smtp_sasl_password_maps: "static:user:secret",
      smtp_sasl_security_options: "noplaintxt",
    });
    const report = await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
    expect(outcomeLines(report)[0]).toContain('unknown security option "noplaintxt"');
    expect(peer.auth).toEqual([]);
    await agent.close();
  });
});

test("a server that agrees before it has proved to know the password is not believed", async () => {
  await withPeer({ ehlo: ["AUTH SCRAM-SHA-256"], auth: () => OK }, async (peer) => {
    const { agent, deliver } = agentWith({ smtp_sasl_password_maps: "static:user:secret" });
    const report = await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
    expect(outcomeLines(report)[0]).toContain("server failed mutual authentication step");
    expect(peer.mails).toEqual([]);
    await agent.close();
  });
});

test("an abandoned dialogue is ended with * before QUIT (RFC 4954 §4)", async () => {
  await withPeer(
    { ehlo: ["AUTH PLAIN"], auth: (_, count) => count === 0 ? "334 " : "501 5.7.0 aborted" },
    async (peer) => {
      const { agent, deliver } = agentWith({ smtp_sasl_password_maps: "static:user:secret" });
      await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
      await agent.close();
      await until("the server hears QUIT", () => peer.lines.includes("QUIT"));
      expect(peer.lines.slice(-2)).toEqual(["*", "QUIT"]);
    },
  );
});

test("a password that was refused is not tried again for smtp_sasl_auth_cache_time", async () => {
  let now = 1_000_000;
  await withPeer({ ehlo: ["AUTH PLAIN"], auth: () => REFUSED }, async (peer) => {
    const { agent, deliver } = agentWith({
      smtp_sasl_password_maps: "static:user:secret",
      smtp_sasl_auth_cache_name: "btree:/var/lib/mta/auth_cache",
      smtp_sasl_auth_cache_time: 3600,
      smtp_sasl_auth_soft_bounce: true,
    }, { now: () => now });
    const send = async () =>
      outcomeLines(await deliver({ nexthop: `[127.0.0.1]:${peer.port}` }))[0]!.replace(/^.*?\(/, "(");
    expect(await send()).toBe(`(SASL authentication failed; server 127.0.0.1[127.0.0.1] said: ${REFUSED})`);
    expect(await send()).toBe(`(SASL [CACHED] authentication failed; server 127.0.0.1 said: ${REFUSED})`);
    expect(peer.auth.length).toBe(1);
    now += 3_600_000;
    await send();
    expect(peer.auth.length).toBe(2);
    await agent.close();
  });
});

test("refusals are remembered of 535 alone, by host and login, and so many at most", () => {
  const reply = (code: number): ServerReply => ({
    code,
    status: "5.7.8",
    text: "no",
    lines: [],
    garbage: false,
  });
  const refused = new RefusedLogins(1000, () => 0);
  refused.add("a.example", "one", reply(535));
  refused.add("a.example", "two", reply(454));
  expect([
    refused.find("A.example", "one")?.code,
    refused.find("a.example", "two"),
    refused.find("b.example", "one"),
  ])
    .toEqual([535, undefined, undefined]);
  for (let i = 0; i < 1000; i++) refused.add("a.example", `login ${i}`, reply(535));
  expect(refused.find("a.example", "one")).toBeUndefined();
  expect(refused.find("a.example", "login 999")?.code).toBe(535);
});

describe("an entry of smtp_sasl_password_maps", () => {
  const login = (username: string, password: string) => ({ username, secret: { is: "password", password } });

  test("is user and password, with the delimiter that is set", () => {
    expect(parseEntry("user:pass:word", ":", {})).toMatchObject(login("user", "pass:word"));
    expect(parseEntry("u:ser|secret", "|", {})).toMatchObject(login("u:ser", "secret"));
    expect(parseEntry("user", ":", {})).toMatchObject(login("user", ""));
  });

  test("may name a file that has the password in its first line", () => {
    const path = join(folder, "secret");
    writeFileSync(path, "in a file\r\nand more\n");
    expect(parseEntry(`user:file:${path}`, ":", {})).toMatchObject(login("user", "in a file"));
    expect(parseEntry(`user:file:${path}.none`, ":", {})).toEqual({
      why: `open ${path}.none: No such file or directory`,
    });
    expect(parseEntry("user:file:relative", ":", {})).toMatchObject(login("user", "file:relative"));
  });

  test("is told from others without telling the secret", () => {
    const of = (entry: string) => {
      const login = parseEntry(entry, ":", {});
      return "why" in login ? "" : login.identity;
    };
    expect(of("user:one")).not.toBe(of("user:two"));
    expect(of("user:one")).toBe(of("user:one"));
    expect(of("user:one")).not.toContain("one");
  });
});

test("a transcript for the postmaster has neither passwords nor responses", async () => {
  const scripts = [
    { ehlo: ["AUTH PLAIN"], auth: () => "503 5.5.1 what?" },
    {
      ehlo: ["AUTH LOGIN"],
      auth: (_: string, count: number) => count < 2 ? "334 VXNlcg==" : "503 5.5.1 what?",
    },
  ];
  for (const script of scripts) {
    const told: SessionNotice[] = [];
    const postmaster = {
      wanted: new Set(["protocol"] as const),
      isNotice: () => false,
      tell: (notice: SessionNotice) => void told.push(notice),
    };
    await withPeer(script, async (peer) => {
      const settings = { smtp_sasl_password_maps: `inline:{ [127.0.0.1]:${peer.port}=ann:secret }` };
      const { agent, deliver } = agentWith(settings, { postmaster });
      await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
      await agent.close();
    });
    const lines = told.flatMap((notice) => notice.lines);
    const sent = lines.filter((line) => line.startsWith("Out: ")).map((line) => line.slice(5));
    expect(sent.slice(1, -1)).toEqual(
      script.ehlo[0] === "AUTH PLAIN" ? ["AUTH PLAIN ..."] : ["AUTH LOGIN", "...", "..."],
    );
    expect(told[0]?.role).toBe("SMTP client");
  }
});
