import { expect } from "bun:test";
import net from "node:net";
import tls from "node:tls";
import { selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { freePort } from "../../../test/kit/server.ts";
import { serveAlpn } from "./alpn_server.ts";
import { openListeningSocket } from "./inherited_sockets.ts";
import { createTlsContext } from "./tls_context.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl");
const PROTOCOL = "acme-tls/1";
let port: number;
let stop = () => {};
const idle: net.Socket[] = [];

beforeAll(async () => {
  const { certificate, key } = selfSigned("a.example");
  const context = createTlsContext({ ca: "", certificates: [certificate], keys: [key] });
  port = await freePort();
  const fd = openListeningSocket({ address: "127.0.0.1", port }, 128);
  const contextFor = (name: string) => name === "a.example" ? context : undefined;
  ({ stop } = await serveAlpn({ fd, protocol: PROTOCOL, contextFor, timeout: 1000 }));
});
afterAll(() => {
  idle.forEach((socket) => socket.destroy());
  stop();
});

/** The protocol that was agreed on, or why there was no handshake. */
function agreed(servername: string): Promise<string> {
  return new Promise((resolve) => {
    const options = {
      host: "127.0.0.1",
      port,
      servername,
      ALPNProtocols: [PROTOCOL],
      rejectUnauthorized: false,
    };
    const socket = tls.connect(options, () => {
      resolve(String(socket.alpnProtocol));
      socket.destroy();
    });
    socket.on("error", () => resolve("no handshake"));
    socket.on("close", () => resolve("no handshake"));
  });
}

function connected(): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  });
}

test("a handshake for a name that there is something for ends in the protocol, and no other does", async () => {
  expect(await agreed("a.example")).toBe(PROTOCOL);
  expect(await agreed("b.example")).toBe("no handshake");
});

test("however many connections say nothing, who has something to say gets in", async () => {
  for (let count = 0; count < 100; count++) idle.push(await connected());
  expect(await agreed("a.example")).toBe(PROTOCOL);
});

test("a connection that drips ends in time", async () => {
  const socket = await connected();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  socket.on("close", () => resolve()).on("error", () => {}).resume();
  const hello = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, ...Buffer.alloc(400)]);
  let at = 0;
  const drip = setInterval(() => socket.write(hello.subarray(at, ++at)), 200);
  await ended;
  clearInterval(drip);
  expect(at).toBeLessThan(hello.length);
});
