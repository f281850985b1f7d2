import dgram from "node:dgram";

/** Addresses of the documentation (RFC 5737, RFC 3849): their way is the way to anybody. */
const ANYBODY = { 4: "192.0.2.1", 6: "2001:db8::1" } as const;

/** The address from which this machine speaks to the world in a family, by its routes; undefined without one. Nothing is sent. */
export function sourceAddress(family: 4 | 6): Promise<string | undefined> {
  const socket = dgram.createSocket(family === 4 ? "udp4" : "udp6");
  return new Promise((resolve) => {
    const settle = (address: string | undefined) => {
      socket.close();
      resolve(address);
    };
    socket.once("error", () => settle(undefined));
    socket.connect(9, ANYBODY[family], () => settle(socket.address().address.replace(/%.*$/, "")));
  });
}
