// Connections that have had their greeting and say nothing.
import { connect, type Socket } from "node:net";

/** Opens connections, some at a time, and waits for each one's greeting. */
export async function openIdle(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let at = 0; at < count; at += 200) {
    const batch = Array.from(
      { length: Math.min(200, count - at) },
      (_, i) =>
        new Promise<Socket>((done, fail) => {
          // Many source addresses: one has only some 28,000 ports.
          const socket = connect({ port, host: "127.0.0.1", localAddress: `127.0.1.${1 + (i % 200)}` });
          socket.once("data", () => done(socket)).once("error", fail);
          socket.setTimeout(60_000, () => fail(new Error(`no greeting on connection ${at + i}`)));
        }),
    );
    sockets.push(...await Promise.all(batch));
  }
  for (const socket of sockets) socket.setTimeout(0);
  return sockets;
}

/** Ends them all; what becomes of them meanwhile is nobody's concern. */
export function closeAll(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.on("error", () => {}).destroy();
}
