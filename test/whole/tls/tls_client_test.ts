// The compiled service as a client under TLS: keys and authorities that only root may read, what log and metrics say.
import { expect } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfMadeAuthority } from "../../kit/memory/authority.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";

const { test } = withPeers(import.meta.path, "openssl", "dist/mta", "root");

test(
  "a relay that wants our certificate gets it, from files that root alone may read, and the log says how it went",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tls-client-"));
    chmodSync(folder, 0o700);
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const root = selfMadeAuthority("Relay Root");
    const client = root.issue({ name: "client.example.com", purpose: "clientAuth" });
    const relay = await startSmtpPeer({
      tls: { ...root.issue({ name: "localhost" }), clientCa: root.certificate },
    });
    const metricsPort = await freePort();
    const server = await startServer({
      mainCf: [
        "log_format = json",
        `http_listen = 127.0.0.1:${metricsPort}`,
        `relayhost = [localhost]:${relay.port}`,
        "smtp_host_lookup = native",
        "smtp_tls_security_level = verify",
        "smtp_tls_loglevel = 1",
        `smtp_tls_CAfile = ${file("ca.pem", root.certificate)}`,
        `smtp_tls_chain_files = ${file("client.pem", client.key + client.certificate)}`,
        `smtp_tls_policy_maps = texthash:${
          file("policy", `[localhost]:${relay.port} secure match=nexthop\n`)
        }`,
      ],
    });
    try {
      const session = await talk(server.port);
      for (const line of ["EHLO c.example", "MAIL FROM:<s@example.org>", "RCPT TO:<r@example.net>", "DATA"]) {
        await session.say(line);
      }
      expect(await session.say("Subject: x\r\n\r\nhello\r\n.")).toStartWith("250");
      session.end();
      const line = await server.logged(/"status":"(?:sent|deferred|bounced)"/);
      expect(JSON.parse(line)).toMatchObject({
        status: "sent",
        tls_trust: "Verified",
        tls_protocol: "TLSv1.3",
        tls_cipher: expect.stringMatching(/^TLS_/),
      });
      expect(JSON.parse(await server.logged(/"event":"serverTls"/))).toMatchObject({
        trust: "Verified",
        security_level: "secure",
        usage: "established",
        resumed: false,
        server: `localhost[127.0.0.1]:${relay.port}`,
      });
      const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      expect(metrics).toMatch(/^mta_smtp_tls_connections_total\{.*trust="Verified".*\} 1$/m);
      expect(relay.mails).toHaveLength(1);
    } finally {
      await server.stop();
      await relay.close();
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);
