import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fakeWorld } from "../../test/kit/memory/config_world.ts";
import { endpointKey, knownTcpPorts, listenAddresses, resolvePort, splitHostPort } from "./listen_address.ts";

const KNOWN = "lmtp=24, smtp=25, smtps=submissions=465, submission=587";
const settings = (inet_interfaces = "all", inet_protocols = "all") => ({
  inet_interfaces,
  inet_protocols,
  known_tcp_ports: KNOWN,
});
const world = fakeWorld();

describe("splitHostPort()", () => {
  test.each([
    ["25", { host: "", port: "25" }],
    ["smtp", { host: "", port: "smtp" }],
    ["127.0.0.1:smtp", { host: "127.0.0.1", port: "smtp" }],
    ["[::1]:25", { host: "::1", port: "25" }],
    ["[ipv6:::1]:25", { host: "::1", port: "25" }],
    ["::1:25", { host: "::1", port: "25" }],
    ["mail.example.com:25", { host: "mail.example.com", port: "25" }],
  ])("%s", (text, parts) => {
    expect(splitHostPort(text)).toEqual(parts);
  });

  test.each([
    ["[::1", 'missing "]"'],
    ["[::1]25", 'garbage after "]"'],
    ["[ipv6:1.2.3.4]:25", "malformed IPv6 address"],
    ["127.0.0.1:", "missing service information"],
    ["[::1]", "missing service information"],
    ["a..b:25", "valid hostname or network address required"],
    ["127.0.0.1:2x", "garbage after numerical service"],
  ])("%s is refused: %s", (text, why) => {
    expect(splitHostPort(text)).toBe(why);
  });

  test("never throws", () => {
    const unit = fc.constantFrom("[", "]", ":", ".", "1", "a", "-", "ipv6:", "::");
    fc.assert(fc.property(fc.string({ unit, maxLength: 12 }), (text) => void splitHostPort(text)));
  });
});

test("known_tcp_ports gives one port several names, and names its bad items", () => {
  expect([...knownTcpPorts(KNOWN).ports]).toEqual([
    ["lmtp", "24"],
    ["smtp", "25"],
    ["smtps", "465"],
    ["submissions", "465"],
    ["submission", "587"],
  ]);
  expect(knownTcpPorts("smtp, 1=2,a=b, =3, c=, d=4, d=5, e f=6").problems).toEqual([
    'known_tcp_ports: in "smtp" is not in "name = value" form',
    'known_tcp_ports: in " 1=2": numerical service name',
    'known_tcp_ports: in "a=b": non-numerical service port',
    'known_tcp_ports: in " =3": missing service name before "="',
    'known_tcp_ports: in " c=": missing port value after "="',
    'known_tcp_ports: in " d=5": duplicate service name',
    'known_tcp_ports: in " e f=6": whitespace in service name',
  ]);
});

test("a port is a number, a known name, or one of the services file", () => {
  expect(["25", "smtps", "http", "65536", "nosuch"].map((port) => resolvePort(port, KNOWN, world)))
    .toEqual([25, 465, 80, undefined, undefined]);
});

test.each([
  ["smtp", settings(), ["0.0.0.0:25", ":::25"]],
  ["smtp", settings("all", "ipv4"), ["0.0.0.0:25"]],
  ["587", settings("loopback-only"), ["127.0.0.1:587", "::1:587"]],
  ["25", settings("mx.example.com"), ["192.0.2.10:25"]],
  ["25", settings("$nothing, 127.0.0.1".replace("$nothing, ", "")), ["127.0.0.1:25"]],
  ["127.0.0.1:10025", settings("mx.example.com"), ["127.0.0.1:10025"]],
  ["localhost:10025", settings(), ["127.0.0.1:10025", "::1:10025"]],
  ["localhost:10025", settings("all", "ipv6"), ["::1:10025"]],
])("%s listens where inet_interfaces and inet_protocols say", (name, values, expected) => {
  const found = listenAddresses(name, values, world);
  expect(found.is === "addresses" ? found.addresses.map(({ host, port }) => `${host}:${port}`) : found)
    .toEqual(expected);
});

test("spellings of one endpoint have one key", () => {
  const key = (name: string) => endpointKey(name, settings(), world);
  expect(new Set(["25", "smtp"].map(key)).size).toBe(1);
  expect(new Set(["[::1]:25", "::1:smtp", "[ipv6:::1]:smtp"].map(key)).size).toBe(1);
  expect(key("127.0.0.1:25")).not.toBe(key("25"));
});
