import { expect } from "bun:test";
import net from "node:net";
import tls from "node:tls";
import { defaultSettings } from "../../../test/kit/scenes/smtp_delivery.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { type SelfSigned, selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { type ClientTls, connect } from "../../platform/socket/connection.ts";
import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import { createTlsContext } from "../../platform/socket/tls_context.ts";
import { clientSettings } from "./client_settings.ts";
import { isLost, Session } from "./client_session.ts";
import { openSession } from "./connector.ts";
import { localFailure } from "./failure.ts";
import {
  lostFailure,
  open,
  type OpeningContext,
  type OpeningStep,
  receiveGreeting,
  sayHello,
} from "./opening.ts";
import { NO_DEMAND } from "./session_key.ts";

const { beforeAll, test } = withPeers(import.meta.path, "openssl");

let own: SelfSigned;
beforeAll(() => void (own = selfSigned("mail.example.com")));

const settings = clientSettings("smtp", defaultSettings());
const context: OpeningContext = {
  settings,
  nexthop: "mail.example.com",
  detectLoop: false,
  discard: new Set(),
  warn: () => {},
  note: () => {},
};

/** STARTTLS as a step of an opening (RFC 3207), its facts for whoever asks. */
function startTls(side: ClientTls, timeout = 5000, tell: (facts: TlsFacts) => void = () => {}): OpeningStep {
  return async (session) => {
    await session.write("STARTTLS\r\n");
    const reply = await session.reply(timeout);
    if (isLost(reply)) return lostFailure(session, reply, "sending STARTTLS");
    try {
      tell(await session.startTls(side, timeout));
    } catch (error) {
      return localFailure("4.7.5", error instanceof Error ? error.message : String(error));
    }
  };
}

interface Server {
  readonly port: number;
  readonly lines: readonly string[];
  close(): void;
}

/** A server that says `answer` to STARTTLS and then turns; what it can do differs between clear and encrypted. */
async function startServer(answer: string): Promise<Server> {
  const lines: string[] = [];
  const sockets: net.Socket[] = [];
  const replies = (socket: net.Socket, keywords: string, turn: (() => void) | undefined) => {
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString("latin1").split("\r\n").filter((each) => each !== "")) {
        lines.push(line);
        if (line === "STARTTLS" && turn !== undefined) {
          socket.removeAllListeners("data");
          socket.write(answer, turn);
        } else socket.write(`250-mail.example.com\r\n250 ${keywords}\r\n`);
      }
    });
  };
  const server = net.createServer((plain) => {
    sockets.push(plain);
    plain.write("220 mail.example.com ESMTP\r\n");
    replies(plain, "STARTTLS", () => {
      const secureContext = tls.createSecureContext({ key: own.key, cert: own.certificate });
      replies(new tls.TLSSocket(plain, { isServer: true, secureContext }), "SIZE 12345", undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return { port, lines, close: () => (sockets.forEach((each) => each.destroy()), void server.close()) };
}

async function sessionWith(server: Server): Promise<Session> {
  const peer = { host: "mail.example.com", address: "127.0.0.1", port: server.port };
  const session = await openSession(
    { is: "tcp", peer, family: 4 },
    NO_DEMAND,
    { settings, connect, ownAddresses: [], now: Date.now, warn: () => {} },
    new AbortController().signal,
  );
  if (!(session instanceof Session)) throw new Error(session.text);
  return session;
}

const trusting = (): ClientTls => ({
  context: createTlsContext({ ca: own.certificate }),
  serverName: "mail.example.com",
  verify: true,
});

const INJECTED = "250-mail.example.com\r\n250-SIZE 1\r\n250 AUTH PLAIN\r\n";

for (
  const [what, answer] of [["alone", "220 go\r\n"], [
    "with replies injected behind it",
    `220 go\r\n${INJECTED}`,
  ]]
) {
  test(`greeting, EHLO, STARTTLS, EHLO: what holds is what was said encrypted; the 220 comes ${what}`, async () => {
    const server = await startServer(answer!);
    const session = await sessionWith(server);
    const facts: TlsFacts[] = [];
    const steps = [
      receiveGreeting,
      sayHello,
      startTls(trusting(), 5000, (each) => facts.push(each)),
      sayHello,
    ];
    expect(await open(session, context, steps)).toBeUndefined();
    expect(session.features).toMatchObject({ startTls: false, sizeLimit: 12345, auth: undefined });
    expect(facts).toMatchObject([{ protocol: "TLSv1.3", peer: { trouble: undefined } }]);
    expect(server.lines).toEqual(["EHLO mail.example.com", "STARTTLS", "EHLO mail.example.com"]);
    session.close();
    server.close();
  });
}

test("the first step that fails ends the opening, and a failed handshake the connection", async () => {
  const server = await startServer("220 go\r\n");
  const session = await sessionWith(server);
  const elsewhere = { ...trusting(), serverName: "elsewhere.example.com" };
  const failure = await open(session, context, [receiveGreeting, sayHello, startTls(elsewhere), sayHello]);
  expect(failure?.text).toContain("does not match certificate's altnames");
  expect(server.lines).toEqual(["EHLO mail.example.com", "STARTTLS"]);
  expect(await session.reply(1000)).toBe("lost");
  expect(session.reusable).toBe(false);
  server.close();
});

test("a server that never answers the handshake costs no more than its time", async () => {
  const silent = net.createServer((socket) => {
    socket.write("220 mail.example.com\r\n");
    socket.once("data", () => socket.write("220 go\r\n"));
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as net.AddressInfo;
  const session = await sessionWith({ port, lines: [], close: () => {} });
  const failure = await open(session, context, [receiveGreeting, startTls(trusting(), 100)]);
  expect(failure?.text).toBe("Connection timed out");
  silent.close();
});
