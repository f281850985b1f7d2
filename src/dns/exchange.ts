import { systemErrorText } from "../platform/system_error.ts";
import { GatheredBytes } from "../base/gathered_bytes.ts";
import type { Connection, ConnectionHandler, ConnectTo } from "../platform/socket/connection.ts";
import type { OpenDatagrams } from "../platform/socket/udp.ts";
import { answersQuestion, isFormatError, isTruncated, type Question } from "./message.ts";

/** A name server. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** How bytes travel; the system's in production, fakes in tests. */
export interface Wire {
  readonly udp: OpenDatagrams;
  readonly tcp: (
    to: ConnectTo,
    options: { readonly timeout: number; readonly signal?: AbortSignal },
    handlerOf: (connection: Connection) => ConnectionHandler,
  ) => Promise<Connection>;
}

/** A response's bytes, or why there are none. */
export type Exchanged = { readonly is: "bytes"; readonly bytes: Uint8Array } | {
  readonly is: "failed";
  readonly why: string;
};

interface Options {
  readonly timeout: number;
  readonly signal?: AbortSignal;
}

const failed = (why: string): Exchanged => ({ is: "failed", why });

/** Asks one server over UDP, and over TCP when the answer did not fit (RFC 7766 §5). */
export async function exchange(
  wire: Wire,
  server: Server,
  question: Question,
  options: Options,
): Promise<Exchanged> {
  const answer = await overUdp(wire.udp, server, question, options);
  if (answer.is === "failed" || !isTruncated(answer.bytes)) return answer;
  return await overTcp(wire.tcp, server, question, options);
}

/** Datagrams that do not answer the question are someone else's: they are passed over and the wait goes on (RFC 5452 §9.1). */
function overUdp(
  open: OpenDatagrams,
  server: Server,
  question: Question,
  options: Options,
): Promise<Exchanged> {
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  const settle = (result: Exchanged) => {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", aborted);
    socket.close();
    resolve(result);
  };
  const aborted = () => settle(failed("aborted"));
  const timer = setTimeout(() => settle(failed("timed out")), options.timeout);
  const socket = open(server, {
    message: (bytes) => {
      if (answersQuestion(bytes, question) || isFormatError(bytes, question.id)) {
        settle({ is: "bytes", bytes });
      }
    },
    error: (error) => settle(failed(systemErrorText(error))),
  });
  options.signal?.addEventListener("abort", aborted, { once: true });
  socket.send(question.bytes);
  return promise;
}

/** Asks one server over TCP alone. */
export function exchangeOverTcp(
  { tcp }: Pick<Wire, "tcp">,
  server: Server,
  question: Question,
  options: Options,
): Promise<Exchanged> {
  return overTcp(tcp, server, question, options);
}

/** One message over TCP, with its two-byte length in front (RFC 1035 §4.2.2). */
function overTcp(tcp: Wire["tcp"], server: Server, question: Question, options: Options): Promise<Exchanged> {
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  const gathered = new GatheredBytes();
  const settle = (connection: Connection, result: Exchanged) => {
    resolve(result);
    connection.destroy();
  };
  const timer = setTimeout(() => resolve(failed("timed out")), options.timeout);
  const aborted = () => resolve(failed("aborted"));
  options.signal?.addEventListener("abort", aborted, { once: true });
  const opened = tcp(server, options, (connection) => ({
    data: (chunk) => {
      gathered.add(chunk);
      const received = gathered.bytes;
      const length = received.length < 2 ? Infinity : received.readUInt16BE(0);
      if (received.length < length + 2) return;
      const bytes = received.subarray(2, length + 2);
      settle(
        connection,
        answersQuestion(bytes, question) ? { is: "bytes", bytes } : failed("unexpected answer over TCP"),
      );
    },
    end: () => settle(connection, failed("TCP connection closed early")),
    drain: () => {},
    timeout: () => {},
    close: (error) =>
      resolve(failed(error === undefined ? "TCP connection closed early" : systemErrorText(error))),
  }));
  opened.then(
    (connection) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(question.bytes.length);
      connection.write(Buffer.concat([length, question.bytes]));
      return promise.finally(() => connection.destroy());
    },
    (error) => resolve(failed(error === undefined ? "aborted" : systemErrorText(error))),
  );
  return promise.finally(() => {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", aborted);
  });
}
