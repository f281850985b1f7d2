import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { peerKeyOf } from "./http_admission.ts";
import { type HttpServer, serveHttp } from "./http_server.ts";
import { untilAtRest } from "../../../test/kit/waiting.ts";

const MiB = 1024 * 1024;
let server: HttpServer | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.stop();
  server = undefined;
});

async function served(handler: (request: Request) => Response | Promise<Response>): Promise<number> {
  server = await serveHttp({ host: "127.0.0.1", port: 0 }, handler);
  return server.port;
}

const echo = async (request: Request) =>
  new Response(`${request.method} ${new URL(request.url).pathname} ${(await request.text()).length}`);

/** Opens a connection from an address of the loopback network. */
function open(port: number, localAddress = "127.0.0.1"): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = connect(
      { port, host: "127.0.0.1", localAddress, allowHalfOpen: true },
      () => done(socket),
    );
    socket.on("error", fail);
    sockets.push(socket);
  });
}

/** Everything that comes back until the other side closes. */
function dialogue(port: number, bytes: string): Promise<string> {
  return new Promise((done) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk) => text += chunk);
    socket.on("error", () => {});
    socket.on("close", () => done(text));
  });
}

test("requests are answered: with a body, without, several on a connection, and in HTTP/1.0", async () => {
  const port = await served(echo);
  const body = async (path: string, init?: RequestInit) =>
    await (await fetch(`http://127.0.0.1:${port}${path}`, init)).text();
  expect(await body("/a?x=1")).toBe("GET /a 0");
  expect(await body("/b", { method: "POST", body: "x".repeat(1000) })).toBe("POST /b 1000");
  expect(await dialogue(port, "GET /c HTTP/1.0\r\n\r\n")).toEndWith("GET /c 0");
  const two = await dialogue(
    port,
    "GET /d HTTP/1.1\r\nHost: x\r\n\r\nHEAD /e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  );
  expect(two.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  expect(two).toContain("GET /d 0");
});

test("what is no request, or too long, is refused", async () => {
  const port = await served(echo);
  expect(await dialogue(port, "nonsense\r\n\r\n")).toStartWith("HTTP/1.1 400 ");
  expect(await dialogue(port, `GET / HTTP/1.1\r\nX: ${"a".repeat(MiB)}\r\n\r\n`)).toStartWith(
    "HTTP/1.1 431 ",
  );
  const length = 2 * MiB;
  expect(
    await dialogue(
      port,
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${"a".repeat(length)}`,
    ),
  )
    .toStartWith("HTTP/1.1 413 ");
});

test("an answer waits for a reader that does not read", async () => {
  let made = 0;
  const endless = new ReadableStream({
    pull(controller) {
      made += 64 * 1024;
      controller.enqueue(new Uint8Array(64 * 1024));
    },
  });
  const port = await served(() => new Response(endless));
  const socket = await open(port);
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await untilAtRest(() => made)).toBeLessThan(32 * MiB);
});

test("one address has a share; a newcomer ends the one of its own that has been silent for longest", async () => {
  const port = await served(echo);
  let ended = 0;
  for (let i = 0; i < 300; i++) (await open(port)).on("end", () => ended++).resume();
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
  expect(answer.status).toBe(200);
  expect(ended).toBeGreaterThan(200);
});

test("addresses have a share together; a newcomer is answered all the same", async () => {
  const port = await served(echo);
  let ended = 0;
  for (let i = 0; i < 600; i++) {
    (await open(port, `127.0.1.${1 + (i % 30)}`)).on("end", () => ended++).resume();
  }
  const socket = await open(port, "127.0.2.1");
  const reply = new Promise<string>((done) => socket.once("data", (chunk) => done(String(chunk))));
  socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await reply).toStartWith("HTTP/1.1 200 ");
  expect(ended).toBeGreaterThan(300);
});

test("whoever is silent, drips, stops in the middle of a body, or does not read is cut off at the deadline", async () => {
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)) });
  const handler = (request: Request) =>
    new URL(request.url).pathname === "/endless" ? new Response(endless) : echo(request);
  server = await serveHttp({ host: "127.0.0.1", port: 0 }, handler, { request: 200, answer: 200 });
  const { port } = server;
  const cut = async (first: string, drip: string, reads = true) => {
    const socket = await open(port);
    if (!reads) socket.pause();
    else socket.resume();
    socket.write(first);
    const timer = setInterval(() => socket.write(drip), 20);
    if (!reads) setTimeout(() => socket.resume(), 1000);
    await new Promise((done) => socket.on("end", done).on("close", done));
    clearInterval(timer);
  };
  await Promise.all([
    cut("", ""),
    cut("GET / HTTP/1.1\r\nX: ", "a"),
    cut("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "a"),
    cut("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n", "", false),
  ]);
});

test("an address taken by another is an error", async () => {
  const port = await served(echo);
  await expect(serveHttp({ host: "127.0.0.1", port }, echo)).rejects.toThrow();
});

test("a visitor is an IPv4 address or a /64", () => {
  expect(peerKeyOf("192.0.2.1")).toBe("192.0.2.1");
  expect(peerKeyOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(peerKeyOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2");
  expect(peerKeyOf("2001:db8::1")).toBe("2001:db8:0:0");
  expect(peerKeyOf("::1")).toBe("0:0:0:0");
});
