import { afterAll, expect, test } from "bun:test";
import { startDnsServer } from "../../test/kit/servers/dns_server.ts";
import { cryptographicId, SYSTEM_WIRE } from "./resolver.ts";
import { probeServer } from "./server_probe.ts";

const ROOT = { ".": { NS: ["ns.example"] } };
const servers = await Promise.all([
  startDnsServer(ROOT, { edns: true, authentic: true }),
  startDnsServer(ROOT),
  startDnsServer({ ".": "SERVFAIL" }),
  startDnsServer({ ".": "silent" }),
]);
afterAll(async () => {
  for (const server of servers) await server.close();
});

test.each([
  ["one that can do all", 0, { trouble: undefined, edns: true, tcp: true, authentic: true }],
  ["an old one", 1, { trouble: undefined, edns: false, tcp: true, authentic: false }],
  ["one that fails", 2, { trouble: "answers SERVFAIL", edns: false, tcp: true, authentic: false }],
  ["one that says nothing", 3, { trouble: "timed out", edns: false, tcp: false, authentic: false }],
])("probeServer() tells %s", async (_, at, expected) => {
  const server = { host: "127.0.0.1", port: servers[at]!.port };
  const signal = new AbortController().signal;
  const question = { name: ".", type: "NS", timeout: 300, signal, randomId: cryptographicId } as const;
  expect(await probeServer(SYSTEM_WIRE, server, question)).toEqual({ server, ...expected });
});
