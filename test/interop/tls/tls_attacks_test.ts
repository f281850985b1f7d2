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
import { type SelfSigned, selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { dialogue } from "../../kit/tls_dialogue.ts";
import { until, untilFound, untilNextTick } from "../../kit/waiting.ts";

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
  /** Where mail for others goes, over TLS alone. */
  readonly next: SmtpPeer;
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
  const nexts = [await startSmtpPeer(), await startSmtpPeer()] as const;
  const client = (next: SmtpPeer) => ({
    ...main,
    relayhost: `[127.0.0.1]:${next.port}`,
    smtp_tls_security_level: "encrypt",
    minimal_backoff_time: "1000s",
    default_destination_concurrency_failed_cohort_limit: "1000",
  });
  const master = [`127.0.0.1:${port} inet n - n - - smtpd`, wrapper(theirs), tlsmgr].join("\n");
  const postfix = await startPostfix({ main: client(nexts[0]), master });
  systems.Postfix = { port, wrapped: theirs, next: nexts[0], log: postfix.log, stop: postfix.stop };
  const mainCf = Object.entries(client(nexts[1])).map(([name, value]) => `${name} = ${value}`);
  const server = await startServer({ mainCf, masterCf: [wrapper(own), tlsmgr] });
  systems.ours = {
    port: server.port,
    wrapped: own,
    next: nexts[1],
    log: server.log,
    stop: () => server.stop(),
  };
}, 180_000);
afterAll(async () => {
  for (const system of Object.values(systems)) {
    await system.stop();
    await system.next.close();
  }
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

const READY = "220 2.0.0 Ready to start TLS\r\n";
/** Replies of an attacker in the middle, behind the server's own to STARTTLS: to EHLO, and to a whole transaction (CVE-2021-38371). */
const REPLIES =
  "250-evil.example\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n250 2.1.0 evil\r\n250 2.1.5 evil\r\n354 evil\r\n" +
  "250 2.0.0 evil\r\n221 2.0.0 evil\r\n";

/** Mail goes through a system to a server whose replies are cut there; answers what its log says of that, and what the server has heard. */
async function sentThrough(system: System, cut: number, { certificate, key }: SelfSigned): Promise<string> {
  const { next } = system;
  const whole = READY.length + REPLIES.length;
  next.setScript({ tls: { certificate, key, behind: REPLIES, ...(cut < whole && { cut }) } });
  const heard = next.lines.length;
  const replies = await dialogue(system.port, [
    "EHLO c.example",
    "MAIL FROM:<ann@example.org>",
    `RCPT TO:<bob${cut}@elsewhere.example>`,
    "DATA",
    "Subject: x\r\n\r\nx\r\n.",
    "QUIT",
  ]);
  expect(replies.at(-2)).toContain("250 2.0.0 Ok: queued as");
  const line = new RegExp(`to=<bob${cut}@elsewhere\\.example>, .* status=(\\w+) \\((.*)\\)`);
  const [, status, text] = await untilFound(
    () => system.log().slice(-2000),
    () => line.exec(system.log()) ?? undefined,
  );
  const verbs = next.lines.slice(heard).map((each) => each.slice(0, 4));
  return `${status}: ${text!.replace(/queued as \w+/, "queued as ID")}; ${verbs.join(" ")}`;
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

    test(
      "takes no reply that was injected behind the one to STARTTLS, wherever the packets end",
      async () => {
        const own = selfSigned("next.example");
        const all = READY.length + REPLIES.length;
        const answers = new Map<number, string>();
        for (
          const cut of [
            1,
            4,
            READY.length - 1,
            READY.length,
            READY.length + 1,
            READY.length + 60,
            all - 20,
            all,
          ]
        ) {
          answers.set(cut, await sentThrough(systems[name]!, cut, own));
        }
        // What came with the reply is thrown away; what comes later is the server's own first bytes of TLS, which they are not.
        const whole = "EHLO STAR EHLO MAIL RCPT DATA QUIT";
        expect(answers.get(all)).toBe(`sent: 250 2.0.0 Ok: queued as ID; ${whole}`);
        for (const answer of answers.values()) {
          expect(answer).toMatch(
            /^sent: 250 2.0.0 Ok: queued as ID; |^deferred: Cannot start TLS: handshake failure; EHLO STAR$/,
          );
        }
      },
      120_000,
    );

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
