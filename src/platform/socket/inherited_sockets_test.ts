import { expect, test } from "bun:test";
import { connect, createServer, type Server } from "node:net";
import { closeDescriptor, openListeningSocket } from "./inherited_sockets.ts";

const attempt = (port: number, host = "127.0.0.1") =>
  new Promise<string>((done) => {
    const socket = connect({ port, host }, () => {
      socket.destroy();
      done("connected");
    });
    socket.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? "error"));
  });

async function freePort(): Promise<number> {
  const server: Server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("nobody is refused while at least one socket of the address is open, and all are when none is", async () => {
  const port = await freePort();
  const at = { address: "127.0.0.1", port };
  const fds = [openListeningSocket(at, 10), openListeningSocket(at, 10)];
  expect(await attempt(port)).toBe("connected");
  closeDescriptor(fds[0]!);
  expect(await attempt(port)).toBe("connected");
  closeDescriptor(fds[1]!);
  expect(await attempt(port)).toBe("ECONNREFUSED");
});

test("a socket that does not share finds out who listens already", async () => {
  const at = { address: "127.0.0.1", port: await freePort() };
  const fd = openListeningSocket(at, 10);
  expect(() => openListeningSocket(at, 10, false)).toThrow("Address already in use");
  closeDescriptor(fd);
  closeDescriptor(openListeningSocket(at, 10, false));
});

test("IPv6 addresses in every spelling are bound; the wildcard does not take IPv4's place", async () => {
  const port = await freePort();
  for (const address of ["::1", "0:0:0:0:0:0:0:1", "0::0:1"]) {
    const fd = openListeningSocket({ address, port }, 10);
    expect(await attempt(port, "::1")).toBe("connected");
    closeDescriptor(fd);
  }
  const wildcard = openListeningSocket({ address: "::", port }, 10);
  expect(await attempt(port, "127.0.0.1")).toBe("ECONNREFUSED");
  closeDescriptor(wildcard);
});

test("an address that is not ours is refused in the system's words", () => {
  expect(() => openListeningSocket({ address: "192.0.2.77", port: 50_000 }, 1)).toThrow(
    "Cannot assign requested address",
  );
});
