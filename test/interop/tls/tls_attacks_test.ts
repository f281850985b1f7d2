// The published attacks on STARTTLS and handshakes, against ours and beside the real Postfix: what is injected is never taken, what breaks
// off is over, and the next client is served.
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { dialogue } from "../../kit/tls_dialogue.ts";
import { until, untilNextTick } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "postfix",
  "openssl",
  "root",
  "dist/mta",
);

interface System {
  readonly port: number;
  /** TLS from the first byte. */
  readonly wrapped: number;
  log(): string;
  stop(): Promise<unknown>;
}

const systems: Partial<Record<"Postfix" | "ours", System>> = {};
const folder = mkdtempSync(join(tmpdir(), "tls-attacks-"));

beforeAll(async () => {
  chmodSync(folder, 0o755);
  const { certificate, key } = selfSigned("mail.example.com");
  writeFileSync(join(folder, "chain.pem"), key + certificate, { mode: 0o600 });
  const main = {
    mydestination: "example.com",
    local_recipient_maps: "",
    local_transport: "discard",
    smtpd_tls_security_level: "may",
    smtpd_tls_chain_files: join(folder, "chain.pem"),
    smtpd_starttls_timeout: "4s",
    smtpd_client_connection_count_limit: "0",
    smtpd_error_sleep_time: "0",
  };
  const wrapper = (port: number) => `127.0.0.1:${port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes`;
  const tlsmgr = "tlsmgr unix - - n 1000? 1 tlsmgr";
  const [port, theirs, own] = [await freePort(), await freePort(), await freePort()];
  const master = [`127.0.0.1:${port} inet n - n - - smtpd`, wrapper(theirs), tlsmgr].join("\n");
  const postfix = await startPostfix({ main, master });
  systems.Postfix = { port, wrapped: theirs, log: postfix.log, stop: postfix.stop };
  const mainCf = Object.entries(main).map(([name, value]) => `${name} = ${value}`);
  const server = await startServer({ mainCf, masterCf: [wrapper(own), tlsmgr] });
  systems.ours = { port: server.port, wrapped: own, log: server.log, stop: () => server.stop() };
}, 180_000);
afterAll(async () => {
  for (const system of Object.values(systems)) await system.stop();
  rmSync(folder, { recursive: true });
});

/** A client that does nothing wrong is served. */
async function serves(system: System): Promise<void> {
  const [, hello, go, secured, after] = await dialogue(system.port, [
    "EHLO c.example",
    "STARTTLS",
    { tls: {} },
    "EHLO c.example",
  ]);
  expect([hello?.slice(0, 4), go, secured, after?.slice(0, 4)]).toEqual([
    "250-",
    "220 2.0.0 Ready to start TLS",
    "<TLSv1.3, mail.example.com>",
    "250-",
  ]);
}

/** A raw connection, past EHLO; what it has heard. */
async function greeted(port: number): Promise<{ readonly socket: net.Socket; heard(): string }> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  let text = "";
  socket.on("data", (chunk) => text += chunk.toString("latin1")).on("error", () => {});
  await until("a greeting", () => text.startsWith("220 "));
  text = "";
  socket.write("EHLO c.example\r\n");
  await until("EHLO's reply", () => /^250 /m.test(text));
  text = "";
  return { socket, heard: () => text };
}

/** Commands of an attacker in the middle, behind the client's own STARTTLS (CVE-2011-0411). */
const INJECTED = "EHLO evil.example\r\nMAIL FROM:<mallory@example.org>\r\nRCPT TO:<b@example.com>\r\n";
const STARTTLS = "STARTTLS\r\n";

/** Sends STARTTLS and what is injected in two packets, cut there, then goes on as the client would; answers what it hears under TLS. */
async function injectedAt(port: number, cut: number): Promise<string> {
  const { socket, heard } = await greeted(port);
  const bytes = STARTTLS + INJECTED;
  socket.write(bytes.slice(0, cut));
  await untilNextTick(15);
  socket.write(bytes.slice(cut));
  await until("an answer to STARTTLS", () => heard().includes("\r\n") || socket.destroyed);
  expect(heard()).toStartWith("220 2.0.0 ");
  socket.removeAllListeners("data");
  const secured = tls.connect({ socket, rejectUnauthorized: false });
  let text = "";
  try {
    await Promise.race([once(secured, "secureConnect"), once(secured, "close").then(() => Promise.reject())]);
    secured.on("error", () => {}).on("data", (chunk) => text += chunk);
    // What was injected would have given a sender and a recipient: DATA would be answered with 354.
    secured.write("DATA\r\nQUIT\r\n");
    await until("the end", () => secured.closed || /^221 /m.test(text));
    return text.replaceAll("\r\n", " ");
  } catch {
    return "no handshake";
  } finally {
    secured.on("error", () => {}).destroy();
    socket.destroy();
  }
}

/** The first message of a client, as it goes over the line. */
async function clientHello(): Promise<Buffer> {
  const server = net.createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const { port } = server.address() as net.AddressInfo;
  const taken = once(server, "connection").then(([socket]) => once(socket as net.Socket, "data"));
  const client = tls.connect({ port, host: "127.0.0.1", servername: "mail.example.com" }).on(
    "error",
    () => {},
  );
  const [bytes] = await taken as [Buffer];
  client.destroy();
  server.close();
  return bytes;
}

/** Sends bytes to a wrapper-mode port; answers how many went out before the server closed. */
async function sendRaw(
  port: number,
  chunks: Iterable<Buffer>,
  options: { readonly ends: boolean },
): Promise<number> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true }).on("error", () => {});
  const closed = once(socket, "close").catch(() => {});
  socket.resume();
  await once(socket, "connect");
  for (const chunk of chunks) {
    if (socket.destroyed) break;
    if (!socket.write(chunk)) await Promise.race([once(socket, "drain").catch(() => {}), closed]);
  }
  if (options.ends) socket.end();
  await closed;
  return socket.bytesWritten;
}

const record = (size: number, type = 22) => {
  const bytes = Buffer.alloc(5 + size, 1);
  bytes[0] = type;
  bytes.writeUInt16BE(0x0303, 1);
  bytes.writeUInt16BE(size, 3);
  return bytes;
};

/** A first message that says it is 16 MB long, in records as large as may be. */
function* endlessHello(): Generator<Buffer> {
  const first = record(16_384);
  first[5] = 1;
  first.writeUIntBE(0xff_ffff, 6, 3);
  yield first;
  for (let at = 0; at < 1024; at++) yield record(16_384);
}

for (const name of ["Postfix", "ours"] as const) {
  describe(name, () => {
    test("takes nothing that was injected behind STARTTLS, wherever the packets end", async () => {
      const { port } = systems[name]!;
      const cuts = Array.from({ length: STARTTLS.length + INJECTED.length + 1 }, (_, at) => at);
      const answers = new Map<number, string>();
      for (let at = 0; at < cuts.length; at += 12) {
        await Promise.all(
          cuts.slice(at, at + 12).map(async (cut) => answers.set(cut, await injectedAt(port, cut))),
        );
      }
      const fresh = /^503 5\.5\.1 Error: (?:need RCPT command|send HELO\/EHLO first) 221 2\.0\.0 Bye/;
      const wrong = [...answers].filter(([, answer]) => !fresh.test(answer) && answer !== "no handshake");
      expect(wrong).toEqual([]);
      // In one packet with STARTTLS it is thrown away; behind it, it is the client's own first bytes of TLS, which they are not.
      expect(answers.get(0)).toMatch(fresh);
      expect(answers.get(STARTTLS.length - 1)).toMatch(fresh);
      await serves(systems[name]!);
    });

    test("is done with a handshake that breaks off, after any byte", async () => {
      const { wrapped } = systems[name]!;
      const hello = await clientHello();
      const cuts = Array.from({ length: Math.ceil(hello.length / 7) }, (_, at) => at * 7);
      for (let at = 0; at < cuts.length; at += 12) {
        await Promise.all(
          cuts.slice(at, at + 12).map((cut) => sendRaw(wrapped, [hello.subarray(0, cut)], { ends: true })),
        );
      }
      await serves(systems[name]!);
    });

    test("ends a handshake that stops, when its time is over (smtpd_starttls_timeout)", async () => {
      const { wrapped } = systems[name]!;
      const hello = await clientHello();
      for (const cut of [3, 60]) await sendRaw(wrapped, [hello.subarray(0, cut)], { ends: false });
      await serves(systems[name]!);
    });

    test("ends records that are too long, or that no handshake has, without reading on", async () => {
      const { wrapped } = systems[name]!;
      const floods: Readonly<Record<string, () => Iterable<Buffer>>> = {
        "a record of 65,535 bytes": () => Array.from({ length: 512 }, () => record(65_535)),
        "records of no type": () => Array.from({ length: 512 }, () => record(16_384, 99)),
        "data before a handshake": () => Array.from({ length: 512 }, () => record(16_384, 23)),
        "a first message of 16 MB": endlessHello,
      };
      for (const [what, chunks] of Object.entries(floods)) {
        const sent = await sendRaw(wrapped, chunks(), { ends: true });
        // What the system holds for both sides counts too.
        expect({ what, isBounded: sent < 8 * 1024 * 1024 }).toEqual({ what, isBounded: true });
      }
      await serves(systems[name]!);
    });

    test("does not begin a handshake again for a client that asks (CVE-2009-3555)", async () => {
      const { port } = systems[name]!;
      const args = [
        "s_client",
        "-connect",
        `127.0.0.1:${port}`,
        "-starttls",
        "smtp",
        "-tls1_2",
        "-legacy_renegotiation",
      ];
      const client = spawn("openssl", args);
      let text = "";
      for (const stream of [client.stdout, client.stderr]) stream.on("data", (chunk) => text += chunk);
      client.stdin.on("error", () => {});
      const ended = once(client, "exit");
      await until("a handshake", () => text.includes("Verify return code"));
      client.stdin.write("R\n");
      await until("an answer", () => /RENEGOTIATING[^]*(?:error|closed|verify return)/.test(text));
      const after = text.slice(text.indexOf("RENEGOTIATING"));
      client.stdin.end("QUIT\n");
      client.kill();
      await ended;
      expect(after).toMatch(/no renegotiation|error/i);
      expect(after).not.toMatch(/verify return:/);
      await serves(systems[name]!);
    });
  });
}
