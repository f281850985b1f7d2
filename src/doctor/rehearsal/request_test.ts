import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseRehearsal, RequestFault } from "./request.ts";

test("parseRehearsal() reads any words, or says what is wrong with them", () => {
  const word = fc.oneof(
    fc.constantFrom("--ip", "--to", "--message", "--dnsbl", "--bulk", "--json", "a@example.com", "1.2.3.4"),
    fc.string(),
  );
  fc.assert(fc.property(fc.array(word), (words) => {
    try {
      const request = parseRehearsal(words);
      expect(request === "help" || request.domain.includes(".")).toBe(true);
    } catch (error) {
      expect(error).toBeInstanceOf(RequestFault);
    }
  }));
});

test("the words of a rehearsal are read, in any order", () => {
  expect(parseRehearsal([
    "--ip",
    "203.0.113.5",
    "Ann@Example.COM",
    "--ip=[2001:DB8::5]",
    "--message",
    "/tmp/m",
    "--bulk",
    "--to=bob@example.net",
    "--dnsbl",
    "--dnsbl=list.example",
    "--json",
  ])).toEqual({
    sender: "Ann@Example.COM",
    domain: "example.com",
    addresses: ["203.0.113.5", "2001:db8::5"],
    to: "bob@example.net",
    message: "/tmp/m",
    bulk: true,
    lists: ["zen.spamhaus.org", "bl.spamcop.net", "list.example"],
    json: true,
  });
  expect(parseRehearsal(["ann@bücher.example"])).toMatchObject({ domain: "xn--bcher-kva.example" });
  expect(parseRehearsal(["ann@example.com", "--help"])).toBe("help");
});

test.each([
  [[], "whose mail? An address is missing"],
  [["ann"], "no address with a domain: ann"],
  [["@example.com"], "no address with a domain: @example.com"],
  [["ann@localhost"], "no address with a domain: ann@localhost"],
  [["ann@[192.0.2.1]"], "no address with a domain: ann@[192.0.2.1]"],
  [["a@example.com", "b@example.com"], "one address, not also b@example.com"],
  [["a@example.com", "--ip"], "--ip needs a value"],
  [["a@example.com", "--ip", "mail.example.com"], "--ip: no IP address: mail.example.com"],
  [["a@example.com", "--json=yes"], "--json takes no value"],
  [["a@example.com", "--nonsense"], 'unknown argument: "--nonsense"'],
])("%j is wrong usage", (args, why) => {
  expect(() => parseRehearsal(args)).toThrow(new RequestFault(why));
});
