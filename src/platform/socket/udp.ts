import dgram from "node:dgram";
import { isIPv6 } from "node:net";

/** What the owner of a datagram socket wants to hear. */
export interface DatagramHandler {
  /** A datagram from the peer; the kernel drops those of others. */
  message(bytes: Buffer): void;
  /** The peer's host or the network answered with an error (`ECONNREFUSED`). */
  error(error: NodeJS.ErrnoException): void;
}

/** A UDP socket with one peer, on a source port that the kernel picks at random (RFC 5452 §9.2). */
export interface Datagrams {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Opens a datagram socket to one peer; trouble, at once or later, goes to the handler. Nothing is called after `close`. */
export type OpenDatagrams = (
  to: { readonly host: string; readonly port: number },
  handler: DatagramHandler,
) => Datagrams;

/** The system's UDP. */
export const openDatagrams: OpenDatagrams = (to, handler) => {
  const socket = dgram.createSocket(isIPv6(to.host) ? "udp6" : "udp4");
  let open = true;
  let connected = false;
  const waiting: Uint8Array[] = [];
  socket.on("message", (bytes) => open && handler.message(bytes));
  socket.on("error", (error: NodeJS.ErrnoException) => open && handler.error(error));
  socket.connect(to.port, to.host, () => {
    connected = true;
    if (open) { for (const bytes of waiting) socket.send(bytes); }
  });
  return {
    send: (bytes) => void (connected ? socket.send(bytes) : waiting.push(bytes)),
    close: () => {
      if (!open) return;
      open = false;
      socket.close();
    },
  };
};
