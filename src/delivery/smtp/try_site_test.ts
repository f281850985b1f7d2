import { afterEach, expect, test } from "bun:test";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { rewritingTools } from "../../../test/kit/memory/rewriting_tools.ts";
import { defaultSettings } from "../../../test/kit/scenes/smtp_delivery.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";
import { parseHosts } from "../../dns/hosts.ts";
import { createResolver } from "../../dns/resolver.ts";
import { openDeliveryContext } from "./smtp_agent.ts";
import { trySite } from "./try_site.ts";

let peer: SmtpPeer;
afterEach(async () => {
  await peer.close();
});

async function tried(script: PeerScript, settings: Parameters<typeof defaultSettings>[0] = {}) {
  peer = await startSmtpPeer(script);
  const nexthop = `[127.0.0.1]:${peer.port}`;
  const context = openDeliveryContext({
    program: "smtp",
    settings: defaultSettings({
      inet_protocols: "ipv4",
      smtp_sasl_password_maps: `inline:{ {${nexthop} = ann:secret} }`,
      ...settings,
    }),
    resolver: createResolver({ servers: [] }),
    hosts: parseHosts(""),
    log: memoryLog(),
    ownAddresses: [],
    rewriting: rewritingTools(),
  });
  const trials = await trySite(nexthop, context, new AbortController().signal);
  if ("text" in trials) throw new Error(trials.text);
  expect(trials).toHaveLength(1);
  expect([peer.mails, peer.auth, peer.lines.filter((line) => /^(?:MAIL|AUTH)/i.test(line))]).toEqual([
    [],
    [],
    [],
  ]);
  return trials[0]!;
}

const LOGINS = { smtp_sasl_auth_enable: true };
const AUTH: PeerScript = { ehlo: ["SIZE 1000", "AUTH PLAIN CRAM-MD5"] };

test("a server that would take mail, and its limit of size", async () => {
  expect(await tried(AUTH)).toMatchObject({
    relay: `127.0.0.1[127.0.0.1]:${peer.port}`,
    failure: undefined,
    tls: undefined,
    login: { is: "none", offered: true },
    sizeLimit: 1000,
  });
});

test("a login that could be made is not", async () => {
  expect((await tried(AUTH, { ...LOGINS, smtp_sasl_security_options: "noplaintext" })).login)
    .toEqual({ is: "possible", mechanism: "CRAM-MD5" });
});

test("a login that could not be made", async () => {
  const plain = { ehlo: ["AUTH PLAIN"] };
  expect((await tried(plain, { ...LOGINS, smtp_sasl_security_options: "noplaintext" })).login)
    .toEqual({ is: "impossible", why: "it offers PLAIN, none of which may be used in the clear" });
  await peer.close();
  expect((await tried({}, LOGINS)).login).toEqual({ is: "impossible", why: "it offers no login (AUTH)" });
});

test("a server that refuses, and one without the TLS that is demanded", async () => {
  expect((await tried({ greeting: "554 go away" })).failure!.text).toContain(
    "refused to talk to me: 554 go away",
  );
  await peer.close();
  expect((await tried({}, { smtp_tls_security_level: "encrypt" })).failure!.text)
    .toContain("TLS is required, but was not offered");
});
