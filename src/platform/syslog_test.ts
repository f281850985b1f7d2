import { expect, test } from "bun:test";
import { mkdtempSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { libc } from "./libc.ts";
import { openSyslog } from "./syslog.ts";

/** A log daemon's end: a bound datagram socket. */
function receiver(path: string) {
  const c = libc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    recv: { args: ["i32", "ptr", "usize", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
  const address = new Uint8Array(110);
  address[0] = 1;
  address.set(Buffer.from(path), 2);
  const fd = c.socket(1, 2, 0);
  expect(c.bind(fd, address, 2 + path.length + 1)).toBe(0);
  return {
    receive(): string | undefined {
      const buffer = Buffer.alloc(4096);
      const size = c.recv(fd, buffer, buffer.length, 0x40);
      return size < 0 ? undefined : buffer.toString("utf8", 0, size);
    },
    close() {
      c.close(fd);
      unlinkSync(path);
    },
  };
}

test("a line arrives as one datagram; a daemon that is not there is gone, one that does not read is busy", () => {
  const path = join(mkdtempSync(join(tmpdir(), "mta-syslog-")), "log");
  expect(openSyslog(path).send(Buffer.from("x"))).toBe("gone");
  const daemon = receiver(path);
  const socket = openSyslog(path);
  expect(socket.send(Buffer.from("<22>one"))).toBe("sent");
  expect(daemon.receive()).toBe("<22>one");
  let answer: string = "sent";
  for (let i = 0; i < 100_000 && answer === "sent"; i++) answer = socket.send(Buffer.alloc(1000, "x"));
  expect(answer).toBe("busy");
  daemon.close();
  expect(socket.send(Buffer.from("x"))).toBe("gone");
  socket.close();
});
