import { expect, test } from "bun:test";
import { outcomeLines, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { parseHosts } from "../../dns/hosts.ts";
import { createFindAddress } from "../../rewrite/find_address.ts";
import type { LocalDomains } from "../../rewrite/local_domains.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import type { DemandSettings } from "./login_demands.ts";

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
const login = (key: string, connections: number) =>
  `deferred 4.7.0 ${
    connections > 0 ? "127.0.0.1[127.0.0.1]:N" : "none"
  } (SASL authentication failed; this client cannot log in, as ${key} demands), ${connections} connections`;

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
