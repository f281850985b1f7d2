// A TCP socket whose calls wait in the system, with no event loop between the peer's bytes and the clock: for times of one exchange.
import { dlopen } from "bun:ffi";

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
});
const [AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY, SOL_SOCKET, SO_REUSEADDR] = [2, 1, 6, 1, 1, 2];
const [MSG_NOSIGNAL, POLLIN] = [0x4000, 1];

function loopback(port: number): Uint8Array {
  return new Uint8Array([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

function checked(call: string, answer: number | bigint): number {
  if (answer < 0) throw new Error(`${call} fails`);
  return Number(answer);
}

/** Waits until one of them has something to read, and answers which; -1 when none has in time. */
export function waitForInput(descriptors: readonly number[], milliseconds: number): number {
  const asked = new Int32Array(descriptors.flatMap((fd) => [fd, POLLIN]));
  if (libc.poll(asked, BigInt(descriptors.length), milliseconds) <= 0) return -1;
  return descriptors.findIndex((_, at) => asked[2 * at + 1]! >> 16 !== 0);
}

/** One end of a connection, which reads replies and lines. */
export class BlockingSocket {
  readonly #room = Buffer.alloc(65_536);
  #text = "";

  constructor(readonly fd: number) {
    libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, new Int32Array([1]), 4);
  }

  static connect(port: number): BlockingSocket {
    const fd = checked("socket", libc.socket(AF_INET, SOCK_STREAM, 0));
    checked(`connect to port ${port}`, libc.connect(fd, loopback(port), 16));
    return new BlockingSocket(fd);
  }

  send(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      at += checked("send", libc.send(this.fd, rest, BigInt(rest.length), MSG_NOSIGNAL));
    }
  }

  /** More bytes of the peer's; false at its end. */
  #more(): boolean {
    const length = checked("recv", libc.recv(this.fd, this.#room, 65_536n, 0));
    this.#text += this.#room.toString("latin1", 0, length);
    return length > 0;
  }

  /** The next text up to and with `end`; undefined when the peer is gone before. */
  until(end: string): string | undefined {
    for (;;) {
      const at = this.#text.indexOf(end);
      if (at >= 0) {
        const found = this.#text.slice(0, at + end.length);
        this.#text = this.#text.slice(at + end.length);
        return found;
      }
      if (!this.#more()) return undefined;
    }
  }

  /** The last line of the next reply; throws unless it begins with `digit`. */
  reply(digit: string): string {
    for (;;) {
      const line = this.until("\r\n");
      if (line === undefined || !line.startsWith(digit)) throw new Error(`answered: ${line ?? "nothing"}`);
      if (line[3] === " ") return line;
    }
  }

  close(): void {
    libc.close(this.fd);
  }
}

/** A listening socket. */
export class BlockingListener {
  readonly fd = checked("socket", libc.socket(AF_INET, SOCK_STREAM, 0));

  constructor(port: number) {
    libc.setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, new Int32Array([1]), 4);
    checked("bind", libc.bind(this.fd, loopback(port), 16));
    checked("listen", libc.listen(this.fd, 100));
  }

  accept(): BlockingSocket {
    return new BlockingSocket(checked("accept", libc.accept(this.fd, null, null)));
  }

  close(): void {
    libc.close(this.fd);
  }
}
