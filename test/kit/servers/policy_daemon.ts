// A policy server for tests: answers by a rule, remembers what it was asked.
import net from "node:net";

export type Attributes = Readonly<Record<string, string>>;

export interface PolicyDaemon {
  readonly port: number;
  /** Every request's text, in order. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** `rule` answers an action, or "close" to hang up, or "junk" to talk nonsense. */
export async function startPolicyDaemon(rule: (attributes: Attributes) => string): Promise<PolicyDaemon> {
  const requests: string[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let buffer = "";
    socket.on("data", (chunk) => {
      buffer += chunk.toString();
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        const text = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        requests.push(text);
        const rows = text.split("\n").map((line): [string, string] => [
          line.slice(0, line.indexOf("=")),
          line.slice(line.indexOf("=") + 1),
        ]);
        const action = rule(Object.fromEntries(rows));
        if (action === "close") socket.destroy();
        else socket.write(action === "junk" ? "hello=world\n\n" : `action=${action}\n\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (server.address() as net.AddressInfo).port,
    requests,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => void server.close(() => done()));
    },
  };
}

/** Enough of Dovecot's auth protocol for Postfix to offer AUTH PLAIN; nobody can log in. */
export async function startAuthDaemon(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef\nDONE\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (server.address() as net.AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => void server.close(() => done()));
    },
  };
}
