import { expect, test } from "bun:test";
import type { ServerProbe } from "../../dns/server_probe.ts";
import { checkResolver, type ResolverFacts } from "./resolver_check.ts";

const good: ServerProbe = {
  server: { host: "127.0.0.1", port: 53 },
  trouble: undefined,
  edns: true,
  tcp: true,
  authentic: true,
};

function told(probes: readonly Partial<ServerProbe>[], more: Partial<ResolverFacts> = {}): string[] {
  const facts = {
    probes: probes.map((each) => ({ ...good, ...each })),
    question: "NS of .",
    wantsDnssec: false,
    asksLists: false,
    ...more,
  };
  return checkResolver(facts).map(({ severity, found, fix }) =>
    `${severity}: ${found}${fix === undefined ? "" : " | "}`
  );
}

test("a resolver that can do all is right, with and without DNSSEC where nobody asks for that", () => {
  expect(told([{}])).toEqual(["ok: 127.0.0.1 answers: EDNS, TCP, DNSSEC"]);
  expect(told([{ authentic: false, server: { host: "::1", port: 5353 } }])).toEqual([
    "ok: [::1]:5353 answers: EDNS, TCP",
  ]);
});

test("no server that answers is a problem, one of two a warning", () => {
  const dead = { trouble: "timed out", server: { host: "192.0.2.53", port: 53 } };
  expect(told([dead])).toEqual(["problem: no name server answers (NS of .): 192.0.2.53: timed out | "]);
  expect(told([{}, dead])).toEqual([
    "warning: of no use: 192.0.2.53: timed out: lookups wait for it first | ",
  ]);
});

test("what it cannot do is named", () => {
  expect(told([{ edns: false, tcp: false }])).toEqual([
    expect.stringMatching(/^warning: 127.0.0.1 knows no EDNS/) as unknown as string,
    expect.stringMatching(/^warning: 127.0.0.1 does not answer over TCP/) as unknown as string,
  ]);
});

test("who wants DANE needs answers that are validated", () => {
  expect(told([{ authentic: false }], { wantsDnssec: true })[0]).toMatch(
    /^warning: .* DANE protects nothing/,
  );
  expect(told([{}], { wantsDnssec: true })[0]).toStartWith("ok: ");
});

test("a resolver for everybody is not answered by lists of the DNS", () => {
  const open = { server: { host: "8.8.8.8", port: 53 } };
  expect(told([open], { asksLists: true })[0]).toMatch(/^warning: 8.8.8.8 is for everybody/);
  expect(told([open])[0]).toStartWith("ok: ");
});
