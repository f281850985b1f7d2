import { expect, test as plainTest } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import tls from "node:tls";
import { settle } from "../../test/kit/memory/fake_clock.ts";
import { memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import { withPeers } from "../../test/kit/peers.ts";
import { type SelfSigned, selfSigned } from "../../test/kit/memory/self_signed.ts";
import { type Connection, listen } from "../platform/socket/connection.ts";
import { until } from "../../test/kit/waiting.ts";
import { accept } from "../smtp/reply.ts";
import { anywhere, COMMANDS } from "./session/commands.ts";
import { answer } from "./step.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl");

let own: SelfSigned;
let chain: string;
beforeAll(() => {
  own = selfSigned("mail.example.com");
  const folder = mkdtempSync(join(tmpdir(), "session-after-"));
  chain = join(folder, "chain.pem");
  writeFileSync(chain, `${own.key}${own.certificate}`);
});
afterAll(() => rmSync(dirname(chain), { recursive: true }));

/** A service on a real socket, and a client of it that waits for replies by their last line. */
async function serve(main: Readonly<Record<string, string>>, processLimit = "-") {
  const house = memorySmtpd({ smtpd_tls_security_level: "may", smtpd_tls_chain_files: chain, ...main }, {
    processLimit,
  });
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    { maxConnections: 10 },
    (connection) => house.smtpd.accept(connection),
  );
  const plain = net.connect(listener.port, "127.0.0.1");
  let stream: net.Socket = plain;
  const reply = (): Promise<string> => {
    const reading = stream;
    return new Promise((resolve) => {
      let text = "";
      const more = (chunk: Buffer) => {
        text += chunk.toString("latin1");
        if (!/^\d{3} [^\n]*\n$/m.test(text)) return;
        reading.off("data", more);
        resolve(text);
      };
      reading.on("data", more);
    });
  };
  const say = (text: string) => {
    const answered = reply();
    stream.write(text);
    return answered;
  };
  return {
    house,
    port: listener.port,
    plain,
    reply,
    say,
    secure: () =>
      new Promise<void>((resolve, reject) => {
        stream = tls.connect({ socket: plain, ca: own.certificate, servername: "mail.example.com" }, resolve);
        stream.once("error", reject);
      }),
    close() {
      stream.destroy();
      listener.close();
    },
  };
}

test("TLS begins when the reply has left; what came behind the command, and was said before it, is forgotten", async () => {
  const { reply, say, secure, close, house } = await serve({ smtpd_helo_required: "yes" });
  await reply();
  await say("EHLO client.example.org\r\n");
  expect(await say("MAIL FROM:<a@example.org>\r\n")).toBe("250 2.1.0 Ok\r\n");
  const injected = `RCPT TO:<b@example.com>\r\nQUIT\r\nMAIL FROM:<mallory@example.org> ${"x".repeat(10_000)}`;
  expect(await say(`STARTTLS\r\n${injected}`)).toBe("220 2.0.0 Ready to start TLS\r\n");
  await secure();
  expect(await say("RCPT TO:<b@example.com>\r\n")).toBe("503 5.5.1 Error: need MAIL command\r\n");
  expect(await say("MAIL FROM:<a@example.org>\r\n")).toBe("503 5.5.1 Error: send HELO/EHLO first\r\n");
  expect(await say("EHLO client.example.org\r\n")).toStartWith("250-mail.example.com\r\n");
  expect(await say("QUIT\r\n")).toBe("221 2.0.0 Bye\r\n");
  close();
  expect(house.log.lines.at(-1)).toBe(
    "smtpd: disconnect from unknown[127.0.0.1] ehlo=2 starttls=1 mail=1/2 rcpt=0/1 quit=1 commands=5/7",
  );
});

test("where TLS is demanded, mail is taken once it has begun", async () => {
  const { reply, say, secure, close } = await serve({ smtpd_tls_security_level: "encrypt" });
  await reply();
  await say("EHLO client.example.org\r\n");
  expect(await say("MAIL FROM:<a@example.org>\r\n")).toBe(
    "530 5.7.0 Must issue a STARTTLS command first\r\n",
  );
  await say("STARTTLS\r\n");
  await secure();
  await say("EHLO client.example.org\r\n");
  expect(await say("MAIL FROM:<a@example.org>\r\n")).toBe("250 2.1.0 Ok\r\n");
  close();
});

test("a handshake that fails ends the session, and its slot is free", async () => {
  const { reply, say, plain, close, house } = await serve({});
  await reply();
  await say("STARTTLS\r\n");
  const closed = new Promise<void>((resolve) => plain.once("close", () => resolve()));
  plain.write("MAIL FROM:<a@example.org>\r\n");
  await closed;
  while (house.smtpd.sessions > 0) await new Promise((resolve) => setImmediate(resolve));
  close();
  expect(house.log.lines.slice(1)).toEqual([
    "smtpd: SSL_accept error from unknown[127.0.0.1]: -1",
    expect.stringMatching(
      /^smtpd: warning: TLS library problem: error:\w+:SSL routines:.*wrong version number:$/,
    ),
    "smtpd: lost connection after STARTTLS from unknown[127.0.0.1]",
    "smtpd: disconnect from unknown[127.0.0.1] starttls=0/1 commands=0/1",
  ]);
});

test("who does not come on in a handshake gives up the only slot when others wait for it", async () => {
  const { reply, say, close, house, port } = await serve({ smtpd_timeout: "10s" }, "1");
  await reply();
  await say("STARTTLS\r\n");
  const other = net.connect(port, "127.0.0.1");
  const greeted = new Promise<string>((resolve) => other.once("data", (chunk) => resolve(String(chunk))));
  while (house.smtpd.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  await house.clock.advance(11_000);
  expect(await greeted).toStartWith("220 ");
  expect(house.log.lines).toContain("smtpd: lost connection after STARTTLS from unknown[127.0.0.1]");
  other.destroy();
  close();
});

plainTest(
  "a connection that is handed over lives on with another handler, who gets what has come",
  async () => {
    const heard: string[] = [];
    const places = anywhere((phase) => ({
      ...answer(phase, accept(250, "2.0.0", "Over to you")),
      after: {
        is: "handOver",
        to: (connection: Connection) => ({
          data: (chunk) => (heard.push(chunk.toString()), void connection.write("heard\r\n")),
          end: () => {},
          drain: () => {},
          timeout: () => {},
          close: () => void heard.push("closed"),
        }),
      },
    }));
    const house = memorySmtpd({}, { commands: { ...COMMANDS, TAKE: { counted: "unknown", places } } });
    const connection = house.connect();
    await settle();
    connection.read();
    connection.send("TAKE\r\nto the next");
    await settle();
    expect(connection.read()).toBe("250 2.0.0 Over to you\r\nheard\r\n");
    connection.send(" one");
    connection.handler.close(undefined);
    expect(heard).toEqual(["to the next", " one", "closed"]);
    expect([connection.closed, house.smtpd.sessions]).toEqual([false, 0]);
  },
);

test("who waits for a slot in wrapper mode hears nothing in the clear when the service ends", async () => {
  const main = { smtpd_tls_wrappermode: "yes", smtpd_tls_chain_files: chain };
  const house = memorySmtpd(main, { processLimit: "1" });
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    { maxConnections: 10 },
    (connection) => house.smtpd.accept(connection),
  );
  const heard: Promise<string>[] = [];
  for (let client = 0; client < 3; client++) {
    const socket = net.connect(listener.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => text += chunk.toString("latin1")).on("error", () => {});
    heard.push(new Promise((resolve) => socket.on("close", () => resolve(text))));
  }
  await until("two that wait", () => house.smtpd.sessions === 1 && house.smtpd.waiting === 2);
  house.smtpd.stop(AbortSignal.abort());
  expect(await Promise.all(heard)).toEqual(["", "", ""]);
  listener.close();
});

test(
  "a service in wrapper mode that ends without a hurry tells its clients when they can hear it",
  async () => {
    const main = { smtpd_tls_wrappermode: "yes", smtpd_tls_chain_files: chain };
    const house = memorySmtpd(main, { processLimit: "1" });
    const listener = await listen(
      { host: "127.0.0.1", port: 0 },
      { maxConnections: 10 },
      (connection) => house.smtpd.accept(connection),
    );
    const arrive = () => net.connect(listener.port, "127.0.0.1");
    const sockets = [arrive(), arrive(), arrive()];
    await until("two that wait", () => house.smtpd.sessions === 1 && house.smtpd.waiting === 2);
    house.smtpd.stop(new AbortController().signal);
    sockets.push(arrive());
    const mute = arrive();
    const muteGone = new Promise<void>((resolve) => mute.on("error", () => {}).on("close", () => resolve()));
    const heard = sockets.map((socket) => {
      let text = "";
      const client = tls.connect({ socket, rejectUnauthorized: false });
      client.on("data", (chunk) => text += chunk.toString("latin1"));
      return new Promise<string>((resolve) => client.on("end", () => resolve(text)));
    });
    for (const text of await Promise.all(heard)) {
      expect(text).toMatch(/^(?:220 .*\r\n)?421 4\.3\.2 .* Service shutting down.*\r\n$/);
    }
    await muteGone;
    await house.smtpd.drained();
    listener.close();
  },
  60_000,
);

test("who is sent away right behind the handshake in wrapper mode hears why, encrypted", async () => {
  const { port, close } = await serve({
    smtpd_tls_wrappermode: "yes",
    smtpd_client_new_tls_session_rate_limit: "1",
    smtpd_client_event_limit_exceptions: "",
  });
  const answers: string[] = [];
  for (let turn = 0; turn < 2; turn++) {
    const client = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    answers.push(await new Promise((resolve) => client.on("data", (chunk) => resolve(String(chunk)))));
    client.destroy();
  }
  expect(answers).toEqual([
    expect.stringMatching(/^220 /),
    "421 4.7.0 mail.example.com Error: too many new TLS sessions from unknown[127.0.0.1]\r\n",
  ]);
  close();
});
