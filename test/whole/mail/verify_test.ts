// Address verification by the compiled binary: several workers, sudden deaths, reloads, and clients who ask about everybody.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cutPower } from "../../kit/memory/power.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";
import { chanceOf } from "../../kit/chance.ts";

const chance = chanceOf(import.meta.path);

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

const LIMIT = 40;

let peer: SmtpPeer;
let directory: string;
let server: Server;

function start(): Promise<Server> {
  return startServer({
    directory,
    mainCf: [
      "mydestination =",
      "relay_domains = relay.example",
      `relay_transport = smtp:[127.0.0.1]:${peer.port}`,
      "smtpd_relay_restrictions = permit_mynetworks, reject",
      "smtpd_recipient_restrictions = reject_unverified_recipient",
      "worker_processes = 3",
      "address_verify_poll_delay = 1s",
      `address_verify_pending_request_limit = ${LIMIT}`,
      "unverified_recipient_reject_code = 550",
      "smtpd_client_connection_count_limit = 0",
      "smtpd_hard_error_limit = 1000",
      "smtpd_error_sleep_time = 0",
    ],
  });
}

/** What the server says of each address. Whoever is told to come again, as its worker is being exchanged, does so. */
async function ask(...addresses: readonly string[]): Promise<string[]> {
  for (;;) {
    const replies = await askOnce(addresses);
    if (!replies.some((reply) => reply.startsWith("421 4.3.2"))) return replies.slice(3);
  }
}

async function askOnce(addresses: readonly string[]): Promise<string[]> {
  const client = await talk(server.port);
  const replies = [client.greeting];
  const recipients = addresses.map((address) => `RCPT TO:<${address}@relay.example>`);
  for (const command of ["EHLO client.example", "MAIL FROM:<ann@relay.example>", ...recipients]) {
    if (replies.at(-1)!.startsWith("421")) break;
    replies.push(await client.say(command));
  }
  client.end();
  return replies;
}

const asked = (address: string) =>
  peer.lines.filter((line) => line === `RCPT TO:<${address}@relay.example>`).length;

/** What was said to the next hop, but for goodbyes: a connection that waited says its own late. */
const questions = () => peer.lines.filter((line) => line !== "QUIT").length;

beforeAll(async () => {
  peer = await startSmtpPeer({
    rcpt: (line) =>
      /<good/.test(line) ? "250 2.1.5 Ok" : /<slow/.test(line) ? "silent" : "550 5.1.1 no such user",
  });
  directory = mkdtempSync("/tmp/mta-verify-");
  mkdirSync(`${directory}/data`);
  if (process.getuid!() === 0) spawnSync("chown", ["postfix", `${directory}/data`]);
  server = await start();
});

afterAll(async () => {
  await server.stop();
  await peer.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("address verification in several workers", () => {
  test("one question is enough for all of them, and the answers are shared", async () => {
    const replies = await Promise.all(Array.from({ length: 24 }, () => ask("good", "bad")));
    expect(new Set(replies.map(([good]) => good))).toEqual(new Set(["250 2.1.5 Ok"]));
    for (const [, bad] of replies) {
      expect(bad).toStartWith(
        "550 5.1.1 <bad@relay.example>: Recipient address rejected: undeliverable address: host",
      );
    }
    // Workers that ask in the same millisecond do not see each other's probe yet.
    expect(asked("good")).toBeLessThanOrEqual(3);
    expect(asked("bad")).toBeLessThanOrEqual(3);
    const before = questions();
    await Promise.all(Array.from({ length: 24 }, () => ask("good", "bad")));
    expect(questions()).toBe(before);
  }, 180_000);

  test("a reload keeps what is known", async () => {
    const before = questions();
    expect((await server.mta("reload")).code).toBe(0);
    await Promise.all(Array.from({ length: 12 }, () => ask("good", "bad")));
    expect(questions()).toBe(before);
    const { addressVerification } = JSON.parse((await server.mta("status", "--json")).stdout);
    expect(addressVerification ?? { cached: 2, probesPending: 0 }).toEqual({ cached: 2, probesPending: 0 });
  }, 180_000);

  test(
    "every process dies in the middle of probes: what was known is known, what was asked is asked anew",
    async () => {
      for (let round = 0; round < 3; round++) {
        const asking = Array.from(
          { length: 30 },
          (_, n) => ask(`good-${round}-${n}`, `bad-${round}-${n}`, `slow-${round}-${n}`).catch(() => []),
        );
        await new Promise((resolve) => setTimeout(resolve, 30 + 120 * chance.random()));
        await cutPower(server);
        await Promise.all(asking);
        server = await start();
        const before = questions();
        expect((await ask("good", "bad")).map((reply) => reply.slice(0, 3))).toEqual(["250", "550"]);
        expect(questions()).toBe(before);
        const again = await ask(...Array.from({ length: 30 }, (_, n) => `good-${round}-${n}`));
        expect(again).toEqual(Array(30).fill("250 2.1.5 Ok"));
        expect(server.log()).not.toContain("thrown away");
        expect(server.log()).not.toContain("memory only");
      }
    },
    180_000,
  );

  test(
    "a client who asks about everybody costs no more than the limit of probes, and others are still answered",
    async () => {
      const [before, logged] = [peer.connections, server.log().length];
      const lanes = Array.from(
        { length: 60 },
        (_, lane) => ask(...Array.from({ length: 3 }, (_, n) => `slow-flood-${lane}-${n}`)),
      );
      const refused = () => server.log().slice(logged).includes("Too many address verification requests");
      await until("as many probes are out as may be", refused);
      expect(peer.connections - before).toBeLessThanOrEqual(LIMIT + 2);
      expect((await ask("good", "bad")).map((reply) => reply.slice(0, 3))).toEqual(["250", "550"]);
      const replies = (await Promise.all(lanes)).flat();
      expect(
        replies.filter((reply) =>
          reply.endsWith("unverified address: Too many address verification requests")
        ).length,
      )
        .toBeGreaterThan(60);
      expect(replies.every((reply) => reply.startsWith("450 4.1.1 "))).toBe(true);
      expect(server.log()).toContain("address probes are out (address_verify_pending_request_limit)");
    },
    180_000,
  );
});
