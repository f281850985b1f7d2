// The routing scenes of the SMTP client's own tests, played to Postfix's client with the same name server.
import { internalAddress } from "../../../src/address/address.ts";
import { expect } from "bun:test";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { HOST_PORT, ROUTING_SCENES, ROUTING_ZONE } from "../../kit/scenes/routing_scenes.ts";
import { testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, afterEach, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const SUBMISSION_PORT = 24875;
const NAME_SERVER = "127.0.0.78";
const scenes = Object.entries(ROUTING_SCENES);

function masterLine(settings: Readonly<Record<string, unknown>>, i: number): string {
  const value = (v: unknown) => v === true ? "yes" : v === false ? "no" : String(v);
  const options = Object.entries(settings).map(([name, v]) =>
    ` -o {${name} = ${value(v).replaceAll("$", "$$$$")}}`
  ).join("");
  return `r${i} unix - - n - - smtp${options}\n`;
}

describe("Postfix's client finds its way", () => {
  let postfix: PostfixInstance;
  let dns: DnsServer;
  let peers: SmtpPeer[] = [];
  afterEach(async () => void await Promise.all(peers.map((peer) => peer.close())));
  beforeAll(async () => {
    dns = await startDnsServer(ROUTING_ZONE, { host: NAME_SERVER, port: 53 });
    postfix = await startPostfix({
      nameServer: NAME_SERVER,
      main: {
        transport_maps: "texthash:$config_directory/transport",
        smtpd_relay_restrictions: "permit_mynetworks, reject",
        notify_classes: "",
        smtp_connection_cache_on_demand: "no",
      },
      master: `127.0.0.1:${SUBMISSION_PORT} inet n - n - - smtpd\n` +
        scenes.map(([, { settings }], i) => masterLine(settings ?? {}, i)).join(""),
      files: {
        transport: scenes.map(([, { nexthop }], i) => `t${i}.example.net r${i}:${nexthop}\n`).join(""),
      },
    });
  }, 180_000);
  afterAll(async () => {
    await postfix?.stop();
    await dns?.close();
  });

  for (const [i, [name, scene]] of scenes.entries()) {
    test(name, async () => {
      peers = await Promise.all(
        Object.entries(scene.hosts ?? {}).map(([n, script]) =>
          startSmtpPeer(script, { host: `127.0.0.${n}`, port: HOST_PORT })
        ),
      );
      const submitter = testAgent();
      const to = [`bob@t${i}.example.net`];
      const before = postfix.log().length;
      // From nobody, so that no notice of a failure mixes its lines in.
      const report = await submitter.deliver({
        nexthop: `[127.0.0.1]:${SUBMISSION_PORT}`,
        to,
        sender: internalAddress(""),
      });
      const id = /queued as (\w+)/.exec(report.outcomes[0]!.detail.text)![1]!;
      const log = (await postfix.waitForLog(new RegExp(`${id}: to=.*status=`))).slice(before);
      const line = new RegExp(
        `${id}: to=.*relay=(.*?), delay=.*dsn=([\\d.]+), status=(\\w+) \\((.*)\\)$`,
        "m",
      ).exec(log)!;
      expect(`${line[3]} ${line[2]} ${line[1]} (${line[4]})`).toBe(scene.want);
      const client = log.split("\n").filter((text) =>
        // What is wrong with a name is said once here, and twice there.
        /postfix\/smtp\[/.test(text) && !/: to=<|: valid_hostname: /.test(text)
      )
        .map((text) => text.replace(/^.*?postfix\/smtp\[\d+\]: /, "").replace(id, "ID"));
      expect(client).toEqual([...scene.log ?? []]);
      await submitter.agent.close();
    }, 180_000);
  }
});
