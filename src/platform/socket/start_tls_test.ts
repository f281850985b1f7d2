import { expect } from "bun:test";
import net from "node:net";
import tls from "node:tls";
import { withPeers } from "../../../test/kit/peers.ts";
import { type SelfSigned, selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { connect, type Connection, type ConnectionHandler, listen, type Listener } from "./connection.ts";
import type { TlsFacts, TlsSide } from "./start_tls.ts";
import { createTlsContext, type TlsContext } from "./tls_context.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "openssl");

let mail: SelfSigned;
let other: SelfSigned;
let serverContext: TlsContext;
let trusting: TlsContext;
beforeAll(() => {
  mail = selfSigned("mail.example.com", "rsa");
  other = selfSigned("other.example.com");
  serverContext = createTlsContext({ ca: "", certificates: [mail.certificate], keys: [mail.key] });
  trusting = createTlsContext({ ca: mail.certificate });
});

const asServer = (more: object = {}): TlsSide => ({
  side: "server",
  context: serverContext,
  timeout: 5000,
  ...more,
});
const asClient = (more: object = {}): TlsSide => ({
  side: "client",
  context: trusting,
  serverName: "mail.example.com",
  verify: true,
  timeout: 5000,
  ...more,
});

/** A handler that gathers what it hears, and what can be waited for. */
class Ear implements ConnectionHandler {
  text = "";
  closed: { readonly error: Error | undefined } | undefined;
  #waiting: (() => void)[] = [];

  data(chunk: Buffer): void {
    this.text += chunk.toString("latin1");
    this.#wake();
  }
  end(): void {
    this.#wake();
  }
  drain(): void {}
  timeout(): void {}
  close(error: Error | undefined): void {
    this.closed = { error };
    this.#wake();
  }
  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
  async until(said: () => boolean): Promise<void> {
    while (!said()) await new Promise<void>((wake) => this.#waiting.push(wake));
  }
  hears(text: string): Promise<void> {
    return this.until(() => this.text.includes(text));
  }
  isClosed(): Promise<void> {
    return this.until(() => this.closed !== undefined);
  }
}

const QUIET: ConnectionHandler = {
  data: () => {},
  end: () => {},
  drain: () => {},
  timeout: () => {},
  close: () => {},
};

interface Accepted {
  readonly connection: Connection;
  readonly ear: Ear;
}

let listener: Listener;
let accepted = Promise.withResolvers<Accepted>();
beforeAll(async () => {
  listener = await listen({ host: "127.0.0.1", port: 0 }, { maxConnections: 100 }, (connection) => {
    const ear = new Ear();
    accepted.resolve({ connection, ear });
    return ear;
  });
});
afterAll(() => listener.close());

async function nextAccepted(): Promise<Accepted> {
  const next = await accepted.promise;
  accepted = Promise.withResolvers();
  return next;
}

/** Both ends of a connection, each one of ours. */
async function pair(): Promise<{ readonly server: Accepted; readonly client: Accepted }> {
  const ear = new Ear();
  const connection = await connect({ host: "127.0.0.1", port: listener.port }, { timeout: 1000 }, () => ear);
  return { server: await nextAccepted(), client: { connection, ear } };
}

/** Our server's end, and a bare socket as its client. */
async function againstSocket(): Promise<{ readonly server: Accepted; readonly socket: net.Socket }> {
  const socket = net.connect(listener.port, "127.0.0.1");
  return { server: await nextAccepted(), socket };
}

async function turned(server: TlsSide, client: TlsSide): Promise<readonly [TlsFacts, TlsFacts, () => void]> {
  const both = await pair();
  const facts = await Promise.all([
    both.server.connection.startTls(server),
    both.client.connection.startTls(client),
  ]);
  return [...facts, () => (both.client.connection.destroy(), both.server.connection.destroy())];
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const never = (facts: TlsFacts) => {
  throw new Error(`a handshake: ${JSON.stringify(facts)}`);
};
const codeOf = (error: unknown) => error instanceof Error && "code" in error ? error.code : String(error);

describe("a connection that turns", () => {
  test("carries bytes both ways on the same object, with the handlers it has then", async () => {
    const { server, client } = await pair();
    client.connection.write("STARTTLS\r\n");
    await server.ear.hears("STARTTLS\r\n");
    server.connection.write("220 go\r\n");
    const secured = server.connection.startTls(asServer());
    await client.ear.hears("220 go\r\n");
    const later = new Ear();
    await client.connection.startTls(asClient());
    client.connection.setHandler(later);
    client.connection.write("EHLO x\r\n");
    await secured;
    await server.ear.hears("EHLO x\r\n");
    server.connection.write("250 ok\r\n");
    await later.hears("250 ok\r\n");
    expect(server.ear.text).toBe("STARTTLS\r\nEHLO x\r\n");
    expect([client.ear.text, later.text]).toEqual(["220 go\r\n", "250 ok\r\n"]);
    client.connection.end();
    await server.ear.until(() => true);
    server.connection.end();
    await Promise.all([server.ear.isClosed(), later.isClosed()]);
    expect(server.ear.closed).toEqual({ error: undefined });
  });

  test("tells what the handshake was", async () => {
    const [server, client, close] = await turned(asServer(), asClient());
    for (const facts of [server, client]) {
      expect(facts).toMatchObject({
        protocol: "TLSv1.3",
        cipher: expect.stringMatching(/^TLS_/),
        serverName: "mail.example.com",
        reused: false,
      });
      expect([128, 256]).toContain(facts.bits);
    }
    expect(server.peer).toBeUndefined();
    const der = Buffer.from(mail.certificate.replace(/-----.*-----|\n/g, ""), "base64");
    expect(client.peer).toEqual({ chain: [der], trouble: undefined });
    close();
  });

  test("shows the server a client's certificate, trusted or not", async () => {
    const own = { certificates: [other.certificate], keys: [other.key] };
    const client = asClient({ context: createTlsContext({ ca: mail.certificate, ...own }) });
    const ask = (ca: string) =>
      asServer({
        askCertificate: true,
        context: createTlsContext({ ca, certificates: [mail.certificate], keys: [mail.key] }),
      });
    const [trusted, , close] = await turned(ask(other.certificate), client);
    expect(trusted.peer).toMatchObject({ trouble: undefined });
    const [stranger, , closeToo] = await turned(ask(""), client);
    expect(stranger.peer).toMatchObject({ trouble: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    expect(stranger.peer?.chain).toHaveLength(1);
    const [nameless, , closeLast] = await turned(ask(""), asClient());
    expect(nameless.peer).toBeUndefined();
    for (const each of [close, closeToo, closeLast]) each();
  });

  test("resumes a session that it remembers", async () => {
    const remembered = Promise.withResolvers<Buffer>();
    const { server, client } = await pair();
    const first = server.connection.startTls(asServer());
    await client.connection.startTls(asClient({ remember: remembered.resolve }));
    await first;
    server.connection.write("220\r\n");
    const session = await remembered.promise;
    const [ours, theirs, close] = await turned(asServer(), asClient({ session }));
    expect([ours.reused, theirs.reused]).toEqual([true, true]);
    for (const { connection } of [server, client]) connection.destroy();
    close();
  });

  test("shows the certificate for the name that is asked for", async () => {
    const named = createTlsContext({ ca: "", certificates: [other.certificate], keys: [other.key] });
    for (const found of [named, Promise.resolve(named)]) {
      const asked: string[] = [];
      const contextFor = (name: string) => (asked.push(name), found);
      const trustingOther = {
        context: createTlsContext({ ca: other.certificate }),
        serverName: "other.example.com",
      };
      const [facts, , close] = await turned(asServer({ contextFor }), asClient(trustingOther));
      expect([asked, facts.serverName]).toEqual([["other.example.com"], "other.example.com"]);
      close();
    }
    const [, general, close] = await turned(asServer({ contextFor: () => undefined }), asClient());
    expect(general.peer?.trouble).toBeUndefined();
    close();
  });

  test("keeps what is written meanwhile for the encrypted side", async () => {
    const { server, client } = await pair();
    const sniffed: string[] = [];
    client.connection.socket.prependListener(
      "data",
      (chunk: Buffer) => sniffed.push(chunk.toString("latin1")),
    );
    const secured = server.connection.startTls(asServer());
    server.connection.write("secret\r\n");
    await client.connection.startTls(asClient());
    await secured;
    await client.ear.hears("secret\r\n");
    expect(sniffed.join("")).not.toContain("secret");
    for (const { connection } of [server, client]) connection.destroy();
  });

  test("sends all plaintext that was written before the first record", async () => {
    const { server, client } = await pair();
    client.connection.pause();
    const much = "x".repeat(4 << 20);
    server.connection.write(`${much}220 go\r\n`);
    const secured = server.connection.startTls(asServer());
    client.connection.resume();
    await client.ear.hears("220 go\r\n");
    expect(client.ear.text).toHaveLength(much.length + 8);
    await Promise.all([secured, client.connection.startTls(asClient())]);
    for (const { connection } of [server, client]) connection.destroy();
  });
});

/** What a client could put behind STARTTLS, hoping that it is taken for encrypted (RFC 3207 §4.2, CVE-2011-0411). */
const INJECTED = "RSET\r\nMAIL FROM:<mallory@example.org>\r\n";

describe("plaintext behind STARTTLS is not heard", () => {
  const command = `STARTTLS\r\n${INJECTED}`;
  const cuts = Array.from(
    { length: command.length - "STARTTLS\r\n".length + 1 },
    (_, i) => "STARTTLS\r\n".length + i,
  );

  test.each(cuts)(
    "by the server, when %d bytes come first and the rest with them or before the reply",
    async (cut) => {
      const { server, socket } = await againstSocket();
      socket.write(command.slice(0, cut));
      await server.ear.hears("STARTTLS\r\n");
      server.connection.write("220 go\r\n");
      const secured = server.connection.startTls(asServer());
      // What the reader of commands had got already is its own to forget; nothing more may reach it.
      const before = server.ear.text;
      socket.write(command.slice(cut));
      const outcome = secured.then((facts) => facts.protocol, codeOf);
      await new Promise<void>((resolve) => socket.once("data", () => resolve()));
      socket.removeAllListeners("data");
      const client = tls.connect({ socket, ca: mail.certificate, servername: "mail.example.com" });
      const ended = new Promise<string>((resolve) => {
        client.once("error", () => resolve("refused"));
        client.once("secureConnect", () => resolve("secure"));
      });
      client.write("EHLO x\r\n");
      if (await ended === "secure") {
        expect(await outcome).toBe("TLSv1.3");
        await server.ear.hears("EHLO x\r\n");
        expect(server.ear.text).toBe(`${before}EHLO x\r\n`);
      } else {
        // It came when the handshake had begun, and is no part of one.
        expect(String(await outcome)).toMatch(/^ERR_SSL_|^ECONNRESET/);
        expect(server.ear.text).toBe(before);
      }
      client.destroy();
      server.connection.destroy();
    },
  );

  test("when its reader was paused", async () => {
    const { server, socket } = await againstSocket();
    socket.write("NOOP\r\n");
    await server.ear.hears("NOOP\r\n");
    server.connection.pause();
    await new Promise<void>((resolve) => void socket.write(INJECTED, () => resolve()));
    const secured = server.connection.startTls(asServer()).then((facts) => facts.protocol, codeOf);
    const client = tls.connect({ socket, ca: mail.certificate, servername: "mail.example.com" });
    client.on("error", () => {}).write("EHLO x\r\n");
    const outcome = await secured;
    if (outcome === "TLSv1.3") await server.ear.hears("EHLO x\r\n");
    // It was read when the handshake had begun, and is no part of one.
    else expect(String(outcome)).toMatch(/^ERR_SSL_|^ECONNRESET/);
    expect(server.ear.text).toBe(outcome === "TLSv1.3" ? "NOOP\r\nEHLO x\r\n" : "NOOP\r\n");
    client.destroy();
    server.connection.destroy();
  });

  test("by the client, when a server's further replies come with its 220 or behind it", async () => {
    const answer = "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n";
    for (let cut = "220 go\r\n".length; cut <= answer.length; cut++) {
      const { server, client } = await pair();
      server.connection.write(answer.slice(0, cut));
      await client.ear.hears("220 go\r\n");
      const secured = client.connection.startTls(asClient()).catch(codeOf);
      const before = client.ear.text;
      server.connection.write(answer.slice(cut));
      const answered = server.connection.startTls(asServer()).catch(codeOf);
      await secured;
      await answered;
      expect(client.ear.text).toBe(before);
      for (const { connection } of [server, client]) connection.destroy();
    }
  });
});

describe("a handshake that fails", () => {
  test("takes no longer than its deadline, on either side, however slowly bytes trickle", async () => {
    for (const side of [asServer({ timeout: 150 }), asClient({ timeout: 150 })]) {
      const { server, client } = await pair();
      const [ours, theirs] = side.side === "server" ? [server, client] : [client, server];
      // The header of a handshake record that never becomes whole.
      theirs.connection.write(Buffer.of(22, 3, 3, 2, 0));
      const drip = setInterval(() => theirs.connection.write("x"), 20);
      const began = performance.now();
      expect(await ours.connection.startTls(side).then(never, codeOf)).toBe("ETIMEDOUT");
      expect(performance.now() - began).toBeGreaterThan(140);
      clearInterval(drip);
      await ours.ear.isClosed();
      expect(ours.ear.closed?.error?.message).toBe("Connection timed out");
      await theirs.ear.until(() => true);
      theirs.connection.destroy();
    }
  });

  test("ends with the connection, and its handler hears of that once, after who asked for it", async () => {
    const { server, client } = await pair();
    const heard: string[] = [];
    server.connection.setHandler({ ...QUIET, close: () => void heard.push("closed") });
    const secured = server.connection.startTls(asServer()).then(
      never,
      (error) => heard.push(String(codeOf(error))),
    );
    client.connection.destroy();
    await secured;
    server.connection.destroy();
    await turn();
    await turn();
    expect(heard).toEqual(["ECONNRESET", "closed"]);
  });

  test("is over when its owner wants no more of it", async () => {
    const { server, client } = await pair();
    const secured = server.connection.startTls(asServer()).then(never, String);
    server.connection.destroy();
    expect(await secured).toContain("the connection was closed");
    await client.ear.until(() => true);
    client.connection.destroy();
  });

  test.each(
    [
      [
        "signed by nobody it trusts",
        { context: createTlsContext({ ca: "" }) },
        "DEPTH_ZERO_SELF_SIGNED_CERT",
      ],
      ["for another name", { serverName: "elsewhere.example.com" }, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ] as const,
  )("because the server's certificate is %s", async (_, more, trouble) => {
    const { server, client } = await pair();
    const secured = server.connection.startTls(asServer()).then(String, codeOf);
    expect(await client.connection.startTls(asClient(more)).then(never, codeOf)).toBe(trouble);
    await secured;
    for (const { connection } of [server, client]) connection.destroy();
  });

  test("does not, where nothing is verified: the facts tell what is wrong with the certificate", async () => {
    const [, facts, close] = await turned(
      asServer(),
      asClient({ context: createTlsContext({ ca: "" }), verify: false }),
    );
    expect(facts.peer?.trouble).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    close();
  });
});

describe("connect()", () => {
  const to = () => ({ host: "127.0.0.1", port: listener.port });
  const tlsOptions = () => ({ context: trusting, serverName: "mail.example.com", verify: true });

  test("begins with TLS where it is told to, and its owner hears nothing before", async () => {
    const ear = new Ear();
    const connecting = connect(to(), { timeout: 5000, tls: tlsOptions() }, () => ear);
    const server = await nextAccepted();
    await server.connection.startTls(asServer());
    server.connection.write("220 hello\r\n");
    const connection = await connecting;
    await ear.hears("220 hello\r\n");
    for (const each of [connection, server.connection]) each.destroy();
  });

  test("its time is for TCP and TLS together, and its signal ends both", async () => {
    const late = connect(to(), { timeout: 100, tls: tlsOptions() }, () => new Ear()).then(String, codeOf);
    const silent = await nextAccepted();
    expect(await late).toBe("ETIMEDOUT");
    silent.connection.destroy();
    const controller = new AbortController();
    const aborted = connect(
      to(),
      { timeout: 5000, signal: controller.signal, tls: tlsOptions() },
      () => new Ear(),
    );
    const waiting = await nextAccepted();
    controller.abort(new Error("no longer wanted"));
    expect(await aborted.then(String, (error) => error.message)).toBe("no longer wanted");
    waiting.connection.destroy();
  });
});
