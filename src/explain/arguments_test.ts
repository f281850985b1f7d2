import { expect, test } from "bun:test";
import { EXPLAIN_HELP, parseExplain } from "./arguments.ts";

const parsed = (...args: string[]) => {
  const request = parseExplain(args);
  if (request === "help") throw new Error("help");
  return request;
};

test("parseExplain() reads a session and how to explain it", () => {
  expect(parsed(
    ...["--client", "192.0.2.7,mail.example.org", "--reverse-name=ptr.example.org", "--port", "1234"],
    ...["--helo", "mail", "--smtp", "--from", "<ann@example.org>", "--to", "bob@example.com", "--to=<>"],
    ...["--size", "1000", "--sasl-user", "ann", "--service", "submission", "--running", "--json", "--no-dns"],
  )).toEqual({
    session: {
      client: { address: "192.0.2.7", port: 1234, name: "mail.example.org", reverseName: "ptr.example.org" },
      helo: "mail",
      smtp: true,
      sender: "ann@example.org",
      recipients: ["bob@example.com", ""],
      size: 1000,
      login: { username: "ann", method: "PLAIN" },
      service: "submission",
    },
    running: true,
    json: true,
    dns: false,
    askPolicy: false,
    edits: true,
  });
});

test.each([
  ["192.0.2.7", { address: "192.0.2.7" }],
  ["[192.0.2.7]", { address: "192.0.2.7" }],
  ["2001:DB8::7,unknown", { address: "2001:db8::7", name: "unknown" }],
  ["[IPv6:2001:db8::7],[TEMPUNAVAIL]", { address: "2001:db8::7", name: "[TEMPUNAVAIL]" }],
])("--client %s", (text, client) => {
  expect(parsed("--client", text).session.client).toEqual({ port: 40_000, ...client });
});

test("a PTR name without a verified name belongs to a client that has none", () => {
  expect(parsed("--client", "192.0.2.7", "--reverse-name", "x.example").session.client).toMatchObject({
    name: "unknown",
    reverseName: "x.example",
  });
});

test("TLS is there by itself, with a cipher, or with a certificate", () => {
  const tls = (...args: string[]) => parsed("--client", "192.0.2.7", ...args).session.tls;
  expect(tls()).toBeUndefined();
  expect(tls("--tls")).toEqual({ protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", keysize: 256 });
  expect(tls("--cipher", "TLS_AES_128_GCM_SHA256")?.keysize).toBe(128);
  expect(tls("--ccert", "AA:BB", "--ccert-trusted", "--ccert-subject", "ann")?.peer).toEqual({
    trusted: true,
    fingerprint: "AA:BB",
    publicKeyFingerprint: "",
    subject: "ann",
    issuer: "",
  });
});

test.each([
  [[], "--client ADDR is missing"],
  [["--client", "mail.example.org"], "is no IP address"],
  [["--client", "192.0.2.7", "--port", "x"], '--port: "x" is no number'],
  [["--client", "192.0.2.7", "--from"], "--from wants a value"],
  [["--client", "192.0.2.7", "--form", "x"], 'unknown argument: "--form"'],
  [["--client", "192.0.2.7", "x"], 'unknown argument: "x"'],
])("wrong arguments are refused in words: %j", (args, words) => {
  expect(() => parseExplain(args)).toThrow(words);
});

test("the help fits a screen and names every option", () => {
  const lines = EXPLAIN_HELP.split("\n");
  expect(lines.length).toBeLessThanOrEqual(24);
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
  expect(parseExplain(["--client", "192.0.2.7", "--help"])).toBe("help");
});
