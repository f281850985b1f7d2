import { expect, test } from "bun:test";
import { parseEndpoint, parseHostPort } from "./server_endpoint.ts";

test.each([
  ["inet:127.0.0.1:25", { host: "127.0.0.1", port: 25 }],
  ["inet:25", { host: "localhost", port: 25 }],
  ["inet::25", { host: "localhost", port: 25 }],
  ["inet:[::1]:25", { host: "::1", port: 25 }],
  ["inet:[IPv6:::1]:25", { host: "::1", port: 25 }],
  ["inet:db.example:smtp", { host: "db.example", port: 25 }],
  ["unix:/run/x", { path: "/run/x" }],
  ["unix:run/x", { path: "/var/spool/postfix/run/x" }],
  ["local:/run/x", { path: "/run/x" }],
])("%s is a place", (text, to) => {
  expect(parseEndpoint(text, "/var/spool/postfix")).toEqual({ is: "endpoint", to });
});

test.each([
  ["", 'need service transport:endpoint instead of ""'],
  ["unix", 'need service transport:endpoint instead of "unix"'],
  ["inet:", 'need service transport:endpoint instead of "inet:"'],
  ["udp:x:1", "invalid transport name: udp in service: udp:x:1"],
  ["inet:x:nosuchservice", "host or service x:nosuchservice not found: Servname not supported"],
  ["inet:127.0.0.1", "127.0.0.1: garbage after numerical service"],
  ["inet:a:b:1", "a:b:1: valid hostname or network address required"],
  ["inet:x:0", "x:0: bad port 0: specify 1 to 65535"],
  ["inet:x:70000", "x:70000: bad port 70000: specify 1 to 65535"],
])("%j is none, and says why", (text, why) => expect(parseEndpoint(text, "")).toEqual({ is: "bad", why }));

test("a place without a transport is host and port", () => {
  expect(parseHostPort("127.0.0.1:9")).toEqual({ is: "endpoint", to: { host: "127.0.0.1", port: 9 } });
  expect(parseHostPort("inet:127.0.0.1:9").is).toBe("bad");
});
