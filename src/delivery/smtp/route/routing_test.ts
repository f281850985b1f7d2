import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type DnsServer, startDnsServer } from "../../../../test/kit/servers/dns_server.ts";
import { HOST_PORT, ROUTING_SCENES, ROUTING_ZONE } from "../../../../test/kit/scenes/routing_scenes.ts";
import { rewritingTools } from "../../../../test/kit/memory/rewriting_tools.ts";
import { outcomeLines, testAgent } from "../../../../test/kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../../../test/kit/servers/smtp_peer.ts";
import type { Settings } from "../../../config/parameters/settings_type.ts";
import { createResolver } from "../../../dns/resolver.ts";

/** What we say more than Postfix. */
const OWN_ADVICE = / \(the only one is IGNORE\)|: table fail:x: .*/;

describe("the client finds its way", () => {
  let dns: DnsServer;
  let peers: SmtpPeer[] = [];
  afterEach(async () => void await Promise.all(peers.map((peer) => peer.close())));
  beforeAll(async () => void (dns = await startDnsServer(ROUTING_ZONE)));
  afterAll(() => dns.close());

  for (const [name, scene] of Object.entries(ROUTING_SCENES)) {
    test(name, async () => {
      peers = await Promise.all(
        Object.entries(scene.hosts ?? {}).map(([n, script]) =>
          startSmtpPeer(script, { host: `127.0.0.${n}`, port: HOST_PORT })
        ),
      );
      const settings = { inet_protocols: "ipv4", ...scene.settings } as Partial<Settings>;
      const { agent, lines, deliver } = testAgent(settings, {
        ownAddresses: ["127.0.0.1"],
        rewriting: rewritingTools(),
        resolver: createResolver({
          servers: [{ host: "127.0.0.1", port: dns.port }],
          attempts: 1,
          timeout: 1000,
        }),
      });
      const report = await deliver({ nexthop: scene.nexthop });
      expect(outcomeLines(report)).toEqual([scene.want]);
      const seen = lines.map((line) =>
        line.replace("smtp: ", "").replace("4ABCDEF0123", "ID").replace(OWN_ADVICE, "")
      );
      expect(seen).toEqual([...scene.log ?? []]);
      await agent.close();
    });
  }
});
