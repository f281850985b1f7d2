import type net from "node:net";

/** What node:net keeps to itself of a socket. */
interface Insides {
  readonly _handle?: { readonly fd?: number; pause?(): void } | null;
  readonly _readableState?: { highWaterMark: number };
}

const insidesOf = (socket: net.Socket) => socket as unknown as Insides;

/** The descriptor of a socket; undefined when it is closed. */
export function descriptorOf(socket: net.Socket): number | undefined {
  const fd = insidesOf(socket)._handle?.fd;
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

/** Pauses a socket at once. By `pause` alone one more chunk is read, of up to half a mebibyte, and kept (Bun 1.4.5). */
export function pauseAtOnce(socket: net.Socket): void {
  socket.pause();
  const { _handle: handle, _readableState: state } = insidesOf(socket);
  // Otherwise the stream asks for more to have something in store.
  if (state !== undefined) state.highWaterMark = 0;
  handle?.pause?.();
}
