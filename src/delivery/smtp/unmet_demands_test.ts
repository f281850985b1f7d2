import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type DnsServer, startDnsServer } from "../../../test/kit/servers/dns_server.ts";
import { createResolver } from "../../dns/resolver.ts";
import type { SmtpAgentOptions } from "./smtp_agent.ts";
import { outcomeLines, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { parseHosts } from "../../dns/hosts.ts";
import { createFindAddress } from "../../rewrite/find_address.ts";
import type { LocalDomains } from "../../rewrite/local_domains.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import type { DemandSettings } from "./unmet_demands.ts";

/** What becomes of a message to a server that would take it, PORT standing for the server's port. */
async function fate(settings: Partial<DemandSettings>): Promise<string> {
  const peer = await startSmtpPeer({}, {});
  const filled = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      typeof value === "string" ? value.replaceAll("PORT", String(peer.port)) : value,
    ]),
  );
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const form = { recipient_delimiter: "+", owner_request_special: false, myorigin: "mail.example.com" };
  const find = createFindAddress(form as Settings, { isLocal: () => false } as unknown as LocalDomains);
  const { agent, deliver } = testAgent(filled, { rewriting: { openTables, find } });
  const report = await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
  await agent.close();
  await peer.close();
  return `${outcomeLines(report)[0]!.replace(/\d{4,5}/g, "N")}, ${peer.connections} connections`;
}

const SENT = "sent 2.0.0 127.0.0.1[127.0.0.1]:N (250 2.0.0 Ok: queued as N), 1 connections";
const NO_TLS = "deferred 4.7.5 none (TLS is required, but our TLS engine is unavailable), 0 connections";
const login = (key: string, connections: number) =>
  `deferred 4.7.0 ${
    connections > 0 ? "127.0.0.1[127.0.0.1]:N" : "none"
  } (SASL authentication failed; this client cannot log in, as ${key} demands), ${connections} connections`;

test.each<[Partial<DemandSettings>, string]>([
  [{ smtp_tls_security_level: "may" }, SENT],
  [{ smtp_tls_security_level: "none", smtp_enforce_tls: true }, SENT],
  [{ smtp_enforce_tls: true }, NO_TLS],
  [{ smtp_tls_security_level: "encrypt" }, NO_TLS],
  [{ smtp_tls_security_level: "dane-only" }, NO_TLS],
  [{ smtp_tls_security_level: "verify" }, NO_TLS],
  [{ smtp_tls_security_level: "secure" }, NO_TLS],
  [{ smtp_tls_security_level: "fingerprint" }, NO_TLS],
  [{ smtp_tls_policy_maps: "inline:{ [127.0.0.1]:PORT=encrypt }" }, NO_TLS],
  [{ smtp_tls_policy_maps: "inline:{ { [127.0.0.1]:PORT = secure match=nexthop } }" }, NO_TLS],
  [{ smtp_tls_policy_maps: "static:none", smtp_tls_security_level: "encrypt" }, SENT],
  [{ smtp_tls_policy_maps: "inline:{ other.example=encrypt }" }, SENT],
  [{ smtp_tls_per_site: "static:MUST" }, NO_TLS],
  [{ smtp_tls_wrappermode: true }, NO_TLS],
  [{ smtp_tls_wrappermode: true, smtp_tls_policy_maps: "static:none" }, NO_TLS],
])("TLS that is demanded and not there keeps the mail: %j", async (settings, want) => {
  expect(await fate(settings)).toBe(want);
});

test("a policy table in trouble keeps the mail", async () => {
  expect(await fate({ smtp_tls_policy_maps: "fail:down" })).toMatch(
    /^deferred 4\.7\.5 none \(TLS policy lookup error: .*, 0 connections$/,
  );
});

test("a login that is demanded keeps the mail, by next hop or host; by sender only where that is asked for", async () => {
  const withPasswords = (key: string, more: Partial<DemandSettings> = {}) =>
    fate({ smtp_sasl_auth_enable: true, smtp_sasl_password_maps: `inline:{ ${key}=user:secret }`, ...more });
  const bySender = { smtp_sender_dependent_authentication: true };
  expect(await withPasswords("[127.0.0.1]:PORT")).toBe(login("[127.0.0.1]:N", 0));
  expect(await withPasswords("127.0.0.1")).toBe(login("127.0.0.1", 1));
  expect(await withPasswords("elsewhere.example")).toBe(SENT);
  expect(await withPasswords("ann@example.com")).toBe(SENT);
  expect(await withPasswords("ann@example.com", bySender)).toBe(login("ann@example.com", 0));
  expect(await withPasswords("@example.com", bySender)).toBe(login("ann@example.com", 0));
  expect(await withPasswords("[127.0.0.1]:PORT", bySender)).toBe(login("[127.0.0.1]:N", 0));
  expect(await fate({ smtp_sasl_password_maps: "static:user:secret" })).toBe(SENT);
});

test("a connection to a host is not used for another name of it that demands more", async () => {
  const peer = await startSmtpPeer({}, {});
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const { agent, deliver } = testAgent({
    smtp_host_lookup: "native",
    smtp_sasl_auth_enable: true,
    smtp_sasl_password_maps: "inline:{ strict.example=user:secret }",
    smtp_tls_policy_maps: `inline:{ [may.example]:${peer.port}=may }`,
  }, {
    hosts: parseHosts("127.0.0.1 free.example also.example strict.example may.example\n"),
    rewriting: { openTables, find: () => ({ answer: { is: "absent" }, key: "" }) as never },
  });
  const send = async (name: string) => {
    const report = await deliver({ nexthop: `[${name}]:${peer.port}` });
    return [report.outcomes[0]!.is, report.connectionUse ?? 1, peer.connections] as const;
  };
  expect(await send("free.example")).toEqual(["sent", 1, 1]);
  expect(await send("also.example")).toEqual(["sent", 2, 1]);
  expect(await send("strict.example")).toEqual(["deferred", 1, 2]);
  expect(await send("may.example")).toEqual(["sent", 1, 3]);
  expect(await send("free.example")).toEqual(["sent", 3, 3]);
  await agent.close();
  await peer.close();
});

describe("dane", () => {
  const OPPORTUNISTIC = { smtp_tls_security_level: "dane", smtp_dns_support_level: "dnssec" } as const;
  let peer: SmtpPeer;
  let dns: DnsServer;

  beforeAll(async () => {
    peer = await startSmtpPeer({}, {});
    const host = { A: ["127.0.0.1"] };
    dns = await startDnsServer({
      "with.example": host,
      "without.example": host,
      "broken.example": host,
      [`_${peer.port}._tcp.with.example`]: { TLSA: ["3 1 1 00ff"] },
      [`_${peer.port}._tcp.broken.example`]: "SERVFAIL",
    });
  });
  afterAll(async () => {
    await peer.close();
    await dns.close();
  });

  async function over(host: string, settings: Partial<SmtpAgentOptions["settings"]>): Promise<string> {
    const openTables = createOpenTables({
      directory: "",
      parameter: () => undefined,
      warn: () => {},
      clock: () => 0,
    });
    const form = { recipient_delimiter: "+", owner_request_special: false, myorigin: "mail.example.com" };
    const find = createFindAddress(form as Settings, { isLocal: () => false } as unknown as LocalDomains);
    const resolver = createResolver({ servers: [{ host: "127.0.0.1", port: dns.port }], attempts: 1 });
    const { agent, deliver } = testAgent(settings, { resolver, rewriting: { openTables, find } });
    const before = peer.connections;
    const report = await deliver({ nexthop: `[${host}]:${peer.port}` });
    await agent.close();
    const line = outcomeLines(report)[0]!.replace(/\d{4,5}/g, "N").replace(/\(250.*/, "(250)");
    return `${line}, ${peer.connections - before} connections`;
  }

  const sent = (host: string) => `sent 2.0.0 ${host}[127.0.0.1]:N (250), 1 connections`;

  test("a host with TLSA records is not spoken to in the clear", async () => {
    expect(await over("with.example", OPPORTUNISTIC)).toBe(NO_TLS);
    expect(await over("with.example", { smtp_tls_policy_maps: "static:dane" })).toBe(NO_TLS);
  });

  test("one without them is, and so is each where dane is not asked for", async () => {
    expect(await over("without.example", OPPORTUNISTIC)).toBe(sent("without.example"));
    expect(await over("with.example", { smtp_tls_security_level: "may" })).toBe(sent("with.example"));
    expect(await over("with.example", { ...OPPORTUNISTIC, smtp_tls_policy_maps: "static:may" }))
      .toBe(sent("with.example"));
  });

  test("nor one of which that cannot be found out", async () => {
    expect(await over("broken.example", OPPORTUNISTIC)).toMatch(
      /^deferred 4\.7\.5 none \(TLSA lookup error for broken\.example:N: .*, 0 connections$/,
    );
  });
});
