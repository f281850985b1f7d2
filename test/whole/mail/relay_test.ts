// Mail that leaves: the compiled binary, a name server and exchangers on loopback addresses.
import { internalAddress } from "../../../src/address/address.ts";
import { expect } from "bun:test";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { outcomeLines, type TestAgent, testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

const PORT = 25_641;

describe("mail that leaves", () => {
  let dns: DnsServer;
  let peer: SmtpPeer;
  let server: Server;
  let submitter: TestAgent;

  beforeAll(async () => {
    dns = await startDnsServer({
      "far.example": { MX: ["20 mx2.far.example", "10 mx1.far.example"] },
      "mx1.far.example": { A: ["127.0.0.21"] },
      "mx2.far.example": { A: ["127.0.0.22"] },
      "null.example": { MX: ["0 ."] },
      "broken.example": "SERVFAIL",
    });
    peer = await startSmtpPeer(
      { rcpt: (line) => line.includes("nobody") ? "550 5.1.1 unknown" : "250 2.1.5 Ok" },
      { host: "127.0.0.22", port: PORT },
    );
    server = await startServer({
      mainCf: [
        "mydestination =",
        "inet_protocols = ipv4",
        `dns_servers = ${dns.address}`,
        `smtp_tcp_port = ${PORT}`,
        "smtpd_relay_restrictions = permit_mynetworks, reject",
      ],
    });
    submitter = testAgent();
  }, 180_000);
  afterAll(async () => {
    await submitter?.agent.close();
    await server?.stop();
    await peer?.close();
    await dns?.close();
  });

  test("goes to the exchanger that answers, and each recipient gets its line", async () => {
    const to = [
      "bob@far.example",
      "nobody@far.example",
      "x@null.example",
      "y@gone.example",
      "z@broken.example",
    ];
    const report = await submitter.deliver({
      nexthop: `[127.0.0.1]:${server.port}`,
      to,
      sender: internalAddress(""),
    });
    const id = /queued as (\w+)/.exec(outcomeLines(report)[0]!)![1]!;
    const rows: readonly (readonly [string, string])[] = [
      [
        "bob@far.example",
        `relay=mx2.far.example[127.0.0.22]:${PORT}, .*dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 12345)`,
      ],
      [
        "nobody@far.example",
        `relay=mx2.far.example[127.0.0.22]:${PORT}, .*dsn=5.1.1, status=bounced (host mx2.far.example[127.0.0.22] said: 550 5.1.1 unknown (in reply to RCPT TO command))`,
      ],
      [
        "x@null.example",
        "relay=none, .*dsn=5.1.0, status=bounced (Domain null.example does not accept mail (nullMX))",
      ],
      [
        "y@gone.example",
        "relay=none, .*dsn=5.4.4, status=bounced (Host or domain name not found. Name service error for name=gone.example type=A: Host not found)",
      ],
      [
        "z@broken.example",
        "relay=none, .*dsn=4.4.3, status=deferred (Host or domain name not found. Name service error for name=broken.example type=MX: Host not found, try again)",
      ],
    ];
    for (const [address, want] of rows) {
      const literal = want.replace(/[[\]().]/g, "\\$&").replaceAll("\\.*", ".*");
      await server.logged(new RegExp(`${id}: to=<${address}>, ${literal}$`, "m"));
    }
    expect(server.log()).toContain(`connect to mx1.far.example[127.0.0.21]:${PORT}: Connection refused`);
    expect(peer.mails.map((mail) => mail.to)).toEqual([["bob@far.example"]]);
  }, 180_000);

  test("goes over few connections when there is much of it", async () => {
    const before = peer.connections;
    const count = 100;
    await Promise.all(
      Array.from(
        { length: count },
        (_, i) =>
          submitter.deliver({
            nexthop: `[127.0.0.1]:${server.port}`,
            to: [`u${i}@far.example`],
            sender: internalAddress(""),
          }),
      ),
    );
    await until("all mail", () => peer.mails.length > count);
    expect(new Set(peer.mails.flatMap((mail) => mail.to)).size).toBe(count + 1);
    expect(peer.connections - before).toBeLessThan(count);
  }, 180_000);
});
