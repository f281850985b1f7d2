// The end of the service: what can be given up without loss is given up at once, what was answered with 250 is there.
import { expect } from "bun:test";
import { createServer, type Server as TcpServer } from "node:net";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { type Server, type ServerOptions, startServer } from "../../kit/server.ts";
import { sendMessage, type Talk, talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { HELD_UP, pause, until } from "../../kit/waiting.ts";

const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");

const running: Server[] = [];
const others: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
  for (const each of others.splice(0)) await each.close();
});

async function server(options: ServerOptions = {}): Promise<Server> {
  const each = await startServer(options);
  running.push(each);
  return each;
}

/** Takes connections and says nothing. */
function mute(): Promise<{ readonly port: number; readonly server: TcpServer }> {
  const sockets = new Set<{ destroy(): void }>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  others.push({ close: () => (sockets.forEach((socket) => socket.destroy()), silent.close()) });
  return new Promise((done) =>
    silent.listen(0, "127.0.0.1", () => {
      const address = silent.address();
      done({ server: silent, port: typeof address === "object" && address !== null ? address.port : 0 });
    })
  );
}

async function transaction(port: number, to = "x@elsewhere.example"): Promise<Talk> {
  const client = await talk(port);
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<a@b.example>");
  expect(await client.say(`RCPT TO:<${to}>`)).toStartWith("250 ");
  return client;
}

async function content(port: number): Promise<Talk> {
  const client = await transaction(port);
  expect(await client.say("DATA")).toStartWith("354 ");
  client.send("Subject: x\r\n\r\nbegin\r\n");
  return client;
}

/** Sends lines until told to end; answers the reply to the end of data. */
async function trickle(client: Talk, done: () => boolean): Promise<string | undefined> {
  while (!done()) {
    client.send("more\r\n");
    await pause(50);
  }
  client.send(".\r\n");
  return await client.reply().catch(() => undefined);
}

/** Ends it; answers how long that took, in milliseconds. */
async function stopped(each: Server): Promise<number> {
  const began = performance.now();
  each.signal("SIGTERM");
  expect(await each.exited).toBe(0);
  return performance.now() - began;
}

whole(
  "20 idle transactions, 20 clients in content and a next hop that is mute do not hold the end up, and nothing that got 250 is lost",
  async () => {
    const hop = await mute();
    const mainCf = [`default_transport = smtp:[127.0.0.1]:${hop.port}`, "smtp_connect_timeout = 30s"];
    const each = await server({ mainCf });
    const before = await sendMessage(each.port, { from: "a@b.example", to: "x@elsewhere.example" });
    const idle = await Promise.all(Array.from({ length: 20 }, () => transaction(each.port)));
    const moving = await Promise.all(Array.from({ length: 10 }, () => content(each.port)));
    const silent = await Promise.all(Array.from({ length: 10 }, () => content(each.port)));
    let enough = false;
    const answers = moving.map((client) => trickle(client, () => enough));
    const farewells = [...idle, ...silent].map((client) => client.reply());
    const end = stopped(each);
    for (const farewell of await Promise.all(farewells)) {
      expect(farewell).toStartWith("421 4.3.2 mail.example.com ");
    }
    enough = true;
    const good = [before, ...await Promise.all(answers)].filter((reply) =>
      reply?.startsWith("250 ") === true
    );
    expect(good).toHaveLength(11);
    expect(await end).toBeLessThan(HELD_UP);
    // What we interrupted ourselves is no failure of the destination.
    expect(each.log()).not.toContain("status=deferred");
    running.pop();
    const peer = await startSmtpPeer();
    others.push(peer);
    const again = await server({
      mainCf: [`default_transport = smtp:[127.0.0.1]:${peer.port}`],
      directory: each.directory,
    });
    await until("all mails", () => peer.mails.length >= good.length);
    expect(peer.mails).toHaveLength(good.length);
    await again.logged(/status=sent/);
  },
  180_000,
);

whole(
  "a next hop that is mute at any step does not hold the end up; the answer to an end of data is waited for",
  async () => {
    for (
      const script of [{ greeting: "silent" }, { ehlo: "silent" }, { ehlo: [], rcpt: "silent" }] as const
    ) {
      const peer = await startSmtpPeer(script);
      others.push(peer);
      const each = await server({ mainCf: [`default_transport = smtp:[127.0.0.1]:${peer.port}`] });
      await sendMessage(each.port, { from: "a@b.example", to: "x@elsewhere.example" });
      await until("it connects", () => peer.connections > 0);
      expect(await stopped(each)).toBeLessThan(HELD_UP);
      expect(each.log()).not.toContain("status=deferred");
    }
    const late = await startSmtpPeer({ ehlo: [], dot: "silent" });
    others.push(late);
    const each = await server({ mainCf: [`default_transport = smtp:[127.0.0.1]:${late.port}`] });
    await sendMessage(each.port, { from: "a@b.example", to: "x@elsewhere.example" });
    await until("it has the mail", () => late.mails.length > 0);
    const took = await stopped(each);
    expect(took).toBeGreaterThan(5500);
    expect(took).toBeLessThan(3 * HELD_UP);
    expect(each.log()).toContain("message may be sent more than once");
    expect(each.log()).not.toContain("status=deferred");
  },
  180_000,
);
