import { expect, test } from "bun:test";
import { parseIp } from "./ip.ts";
import { contains, formatNetwork, networkTop, parseNetwork } from "./network.ts";

test.each([
  ["10.0.0.0/8", "10.1.2.3", true],
  ["10.0.0.0/8", "11.0.0.0", false],
  ["10.0.0.0/8", "::ffff:10.1.2.3", false],
  ["10.0.0.2/32", "10.0.0.2", true],
  ["10.0.0.2", "10.0.0.3", false],
  ["0.0.0.0/0", "255.1.1.1", true],
  ["192.168.128.0/17", "192.168.129.1", true],
  ["192.168.128.0/17", "192.168.127.255", false],
  ["[::1]/128", "::1", true],
  ["[::1]", "::1", true],
  ["2001:db8::/33", "2001:db8:7fff::1", true],
  ["2001:db8::/33", "2001:db8:8000::1", false],
  ["::/0", "1.2.3.4", false],
])("%s contains %s: %p", (pattern, address, inside) => {
  const network = parseNetwork(pattern);
  if ("malformed" in network) throw new Error(network.malformed);
  expect(contains(network, parseIp(address)!)).toBe(inside);
});

test.each([
  ["10.0.0.1/8", 'non-null host address bits in "10.0.0.1/8", perhaps you should use "10.0.0.0/8" instead'],
  [
    "[2001:db8::1]/64",
    'non-null host address bits in "2001:db8::1/64", perhaps you should use "2001:db8::/64" instead',
  ],
  ["10.0.0.0/33", 'bad mask length in "10.0.0.0/33"'],
  ["10.0.0.0/", 'bad mask length in "10.0.0.0/"'],
  ["[::1/128", `missing ']' character after "[::1/128"`],
  ["[::1]x", 'garbage after "[::1]"'],
  ["1.2.3/8", 'bad network value in "1.2.3/8"'],
  ["1.2.3", 'bad address pattern: "1.2.3"'],
])("parseNetwork() refuses %s in Postfix's words", (pattern, why) => {
  expect(parseNetwork(pattern)).toEqual({ malformed: why });
});

test("formatNetwork() brackets IPv6 as mynetworks wants it", () => {
  const network = parseNetwork("::1/128");
  expect("malformed" in network ? "" : formatNetwork(network)).toBe("[::1]/128");
});

test.each([
  ["192.0.2.200", 32, 84, "192.0.2.200"],
  ["192.0.2.200", 24, 84, "192.0.2.0/24"],
  ["255.255.255.255", 28, 84, "255.255.255.240/28"],
  ["255.255.255.255", 0, 84, "0.0.0.0/0"],
  ["2001:DB8::abcd", 32, 128, "2001:db8::abcd"],
  ["2001:db8:1:2:3:ffff::1", 32, 84, "2001:db8:1:2:3:f000::/84"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 32, 124, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124"],
  ["ffff::1", 32, 4, "f000::/4"],
  ["ffff::1", 32, 0, "::/0"],
  ["unknown", 32, 84, undefined],
])("networkTop() of %s is with /%i and /%i %s", (address, ipv4, ipv6, top) => {
  expect(networkTop(address, { ipv4, ipv6 })).toBe(top);
});
