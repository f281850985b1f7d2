// Servers for tables on the network: socketmap and tcp peers that answer as a test says, on ports of their own.
import { createServer, type Server, type Socket } from "node:net";

/** A peer that answers tables. */
export interface TablePeer {
  readonly port: number;
  /** All questions so far, as they came. */
  readonly asked: readonly string[];
  /** Connections so far. */
  connections(): number;
  /** Connections that are open now. */
  open(): number;
  /** Ends all connections; new ones are still taken. */
  drop(): void;
  close(): Promise<void>;
}

/** What to send back, byte for byte; undefined: nothing at all; `null`: hang up. */
export type Answerer = (
  question: string,
) => Uint8Array | string | undefined | null | Promise<string | undefined>;

/** Takes whole questions off the start of what came in. */
type Split = (text: string) => { readonly question: string; readonly rest: string } | undefined;

/** A netstring over bytes that are given one a character. */
export const netstringOf = (text: string) => `${text.length}:${text},`;

const socketmapQuestion: Split = (text) => {
  const head = /^(\d+):/.exec(text);
  if (head === null) return undefined;
  const start = head[0].length;
  const end = start + Number(head[1]);
  if (text.length <= end) return undefined;
  return { question: text.slice(start, end), rest: text.slice(end + 1) };
};

const tcpQuestion: Split = (text) => {
  const end = text.indexOf("\n");
  return end < 0 ? undefined : { question: text.slice(0, end), rest: text.slice(end + 1) };
};

/** Questions are `map key`; the answer is put into a netstring. `at` is a port or the path of a socket. */
export function startSocketmap(
  answer: (map: string, key: string) => string | undefined | Promise<string>,
  at: string | number = 0,
): Promise<TablePeer> {
  return startPeer(socketmapQuestion, async (question) => {
    const blank = question.indexOf(" ");
    const reply = await answer(question.slice(0, blank), question.slice(blank + 1));
    return reply === undefined ? undefined : netstringOf(reply);
  }, at);
}

/** Answers are sent as they are, for what no socketmap server should say. */
export const startRawSocketmap = (answer: Answerer): Promise<TablePeer> =>
  startPeer(socketmapQuestion, answer);

/** Questions are lines such as `get key`; answers are sent as they are. */
export const startTcpTable = (answer: Answerer): Promise<TablePeer> => startPeer(tcpQuestion, answer);

/** Text goes over the wire as bytes, one a character. */
async function startPeer(split: Split, answer: Answerer, at: string | number = 0): Promise<TablePeer> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    let text = "";
    socket.setEncoding("latin1");
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", async (chunk) => {
      text += chunk;
      for (let next = split(text); next !== undefined; next = split(text)) {
        text = next.rest;
        asked.push(next.question);
        const reply = await answer(next.question);
        if (reply === null) return void socket.end();
        if (typeof reply === "string") socket.write(reply, "latin1");
        else if (reply !== undefined) socket.write(reply);
      }
    });
  });
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    if (typeof at === "string") server.listen(at, done);
    else server.listen(at, "127.0.0.1", done);
  });
  const address = server.address();
  const drop = () => sockets.forEach((socket) => socket.destroy());
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    asked,
    connections: () => connections,
    open: () => sockets.size,
    drop,
    close: () => new Promise((done) => (server.close(() => done()), drop())),
  };
}
