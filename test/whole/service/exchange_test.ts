// Workers are exchanged for others (a reload, lent files that have changed) while clients come: whoever got a connection is served, or told.
import { expect, setDefaultTimeout } from "bun:test";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { pause, until, untilNextTick } from "../../kit/waiting.ts";

const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");
const { test: withTls } = withPeers(import.meta.path, "dist/mta", "openssl");

setDefaultTimeout(180_000);
/** Each of them meets clients in another state. */
const EXCHANGES = 12;
/** Clients at a time. */
const CLIENTS = 24;

const running: Server[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

/** In milliseconds; who has heard nothing for so long hears nothing. */
const SILENCE = 30_000;

/** A socket that has something to read by and by. */
class Replies {
  #text = "";
  #over = false;
  #tell = () => {};

  constructor(socket: Socket) {
    const over = () => (this.#over = true, this.#tell());
    socket.setEncoding("latin1").on("data", (chunk) => (this.#text += chunk, this.#tell()));
    socket.on("error", () => {}).on("end", over).on("close", over);
  }

  /** The code of the next reply; undefined when the connection ended without one, or nothing comes. */
  async next(): Promise<string | undefined> {
    // The runtime does not tell of every end that it meets while the socket is paused.
    const tooLate = setTimeout(() => (this.#over = true, this.#tell()), SILENCE);
    try {
      return await this.#next();
    } finally {
      clearTimeout(tooLate);
    }
  }

  async #next(): Promise<string | undefined> {
    for (;;) {
      const [reply] = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#text) ?? [];
      this.#text = this.#text.slice(reply?.length ?? 0);
      if (reply !== undefined) return reply.slice(0, 3);
      if (this.#over) return undefined;
      await new Promise<void>((done) => this.#tell = done);
    }
  }
}

/** How a client does it. */
interface Manner {
  readonly port: number;
  /** What it sends before anybody has greeted it. */
  readonly first?: string;
  readonly tls?: boolean;
  /** It is held up before everything it says, and hears nothing meanwhile, as on a busy machine. */
  readonly slow?: boolean;
}

/** In milliseconds: longer than a worker needs to end. */
const HELD_UP = 60;

const COMMANDS = ["EHLO client.example", "NOOP", "MAIL FROM:<a@b.example>", "RSET", "QUIT"];

/** One connection: "served" to the end, "told" by 421 to come again, or where it was left without a word. */
async function visit({ port, first = "", tls = false, slow = false }: Manner): Promise<string> {
  const plain = connect({ port, host: "127.0.0.1" });
  const connected = await new Promise<boolean>((done) => {
    plain.once("connect", () => done(true)).once("error", () => done(false));
  });
  if (!connected) return "refused";
  if (slow) await pause(HELD_UP);
  plain.write(first);
  const socket = tls ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
  const replies = new Replies(socket);
  try {
    let said = first.trimEnd() || "connected";
    for (const command of [undefined, ...COMMANDS]) {
      if (slow) await holdUp(socket);
      if (command !== undefined && !first.includes(command)) socket.write(`${command}\r\n`);
      socket.resume();
      said = command ?? said;
      const reply = await replies.next();
      if (reply === undefined) return `left without a word after "${said}"`;
      if (reply === "421") return "told";
    }
    return "served";
  } finally {
    socket.destroy();
    plain.destroy();
  }
}

async function holdUp(socket: Socket): Promise<void> {
  socket.pause();
  await pause(HELD_UP);
}

/** Clients come one after the other while workers are exchanged for others; answers how often each end was met. */
async function exchange(each: Server, manners: readonly Manner[]): Promise<Readonly<Record<string, number>>> {
  let going = true;
  const ends: Record<string, number> = {};
  const visits = async (manner: Manner) => {
    while (going) {
      const end = await visit(manner);
      ends[end] = (ends[end] ?? 0) + 1;
    }
  };
  const all = Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => visits(manners[i % manners.length]!)),
  );
  for (let i = 0; i < EXCHANGES; i++) {
    const { code, stderr } = await each.mta("reload");
    expect([code, stderr]).toEqual([0, "postfix/postfix-script: refreshing the Postfix mail system\n"]);
    const before = ends.served ?? 0;
    await until("clients are served", () => (ends.served ?? 0) > before);
  }
  going = false;
  await all;
  return ends;
}

async function server(options: Parameters<typeof startServer>[0]): Promise<Server> {
  const each = await startServer(options);
  running.push(each);
  return each;
}

const LENIENT = ["smtpd_client_connection_count_limit = 0", "worker_processes = 2"];

whole(
  `no client is left without a word while workers are exchanged ${EXCHANGES} times: it is served, or hears 421`,
  async () => {
    const proxied = await freePort();
    const each = await server({
      mainCf: LENIENT,
      masterCf: [`127.0.0.1:${proxied} inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy`],
    });
    const header = "PROXY TCP4 192.0.2.7 192.0.2.1 4000 25\r\n";
    const ends = await exchange(each, [
      { port: each.port },
      { port: each.port, first: "EHLO client.example\r\n" },
      { port: proxied, first: header },
      { port: each.port, slow: true },
      { port: each.port, first: "EHLO client.example\r\n", slow: true },
      { port: proxied, first: header, slow: true },
    ]);
    const { served = 0, told: _, ...silent } = ends;
    expect(silent).toEqual({});
    expect(served).toBeGreaterThan(0);
  },
);

withTls("nor is one that begins with a handshake", async () => {
  const wrapped = await freePort();
  const { key, certificate } = selfSigned("mail.example.com");
  const each = await server({
    mainCf: [...LENIENT, "smtpd_tls_chain_files = $config_directory/chain.pem"],
    masterCf: [`127.0.0.1:${wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes`],
    files: { "chain.pem": key + certificate },
  });
  const { served = 0, told: _, ...silent } = await exchange(each, [
    { port: wrapped, tls: true },
    { port: wrapped, tls: true, slow: true },
  ]);
  expect(silent).toEqual({});
  expect(served).toBeGreaterThan(0);
});

whole(
  "a client that speaks when it has been told already hears it, and keeps no process beyond its time",
  async () => {
    const each = await server({ mainCf: LENIENT });
    const slow = await Promise.all(Array.from({ length: 8 }, async () => {
      const socket = connect({ port: each.port, host: "127.0.0.1" });
      const replies = new Replies(socket);
      expect(await replies.next()).toBe("220");
      socket.pause();
      return { socket, replies };
    }));
    expect((await each.mta("reload")).code).toBe(0);
    const told = () => each.log().match(/ disconnect from localhost\[127/g)?.length ?? 0;
    await until("the end of their sessions", () => told() >= slow.length);
    // What ends without waiting for them is gone by then.
    await untilNextTick(300);
    for (const { socket } of slow) socket.write("EHLO client.example\r\n");
    await untilNextTick(100);
    for (const { socket, replies } of slow) {
      socket.resume();
      expect(await replies.next()).toBe("421");
      expect(await replies.next()).toBeUndefined();
      socket.destroy();
    }
    const draining = async () => JSON.parse((await each.mta("status", "--json")).stdout).draining;
    await until("the end of the workers of before", async () => (await draining()).length === 0);
  },
);
