import { expect } from "bun:test";
import { authorityUnder, selfMadeAuthority, type TestAuthority } from "../../../test/kit/memory/authority.ts";
import { selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { type Certificate, readCertificate } from "../x509/certificate.ts";
import type { Chain } from "./chain.ts";
import { ChainReader } from "./chain_reader.ts";
import {
  certificatesOf,
  type ChainExpectation,
  chainProblems,
  durationText,
  expiryOf,
} from "./chain_problems.ts";
import { pemObjects } from "../x509/pem.ts";

const { beforeAll, test } = withPeers(import.meta.path, "openssl");

const NAME = "mail.example.com";
const DAY = 86_400_000;
let root: TestAuthority;
let between: TestAuthority;
let below: TestAuthority;
beforeAll(() => {
  root = selfMadeAuthority("Good Root");
  between = authorityUnder(root, "Between");
  below = authorityUnder(between, "Below");
});

function chainOf(
  { key, certificate }: { key: string; certificate: string },
  ...issuers: { certificate: string }[]
): Chain {
  const reader = new ChainReader({ order: "key first", origin: "x", parameter: "p", consequence: "" });
  reader.read("/cert.pem", [key, certificate, ...issuers.map((each) => each.certificate)].join("\n"));
  const read = reader.end();
  if (read.is === "fault") throw new Error(read.fault.fix);
  return read.chains[0]!;
}

const parse = (pem: string): Certificate => readCertificate(Buffer.from(pemObjects(pem).objects[0]!.der))!;

function problems(chain: Chain, expected: Partial<ChainExpectation> = {}): string[] {
  const found = chainProblems(chain, {
    now: Date.now(),
    names: [NAME],
    role: "server",
    authorities: () => [parse(selfSigned("Another").certificate), parse(root.certificate)],
    ...expected,
  });
  // What the tests make does not last long.
  return found.filter(({ kind }) => kind !== "validity" || expected.now !== undefined)
    .map(({ kind, text }) => `${kind}: ${text}`);
}

test("a chain up to somebody whom the system trusts is right, with and without that one", () => {
  const leaf = below.issue({ name: NAME });
  expect(problems(chainOf(leaf, below, between))).toEqual([]);
  expect(problems(chainOf(leaf, below, between, root))).toEqual([]);
});

test("a missing intermediate is named", () => {
  expect(problems(chainOf(below.issue({ name: NAME }), below))).toEqual([
    "incomplete: /cert.pem: nothing behind the certificate of Below was signed by somebody whom this system trusts: add the " +
    'certificate of Between (an authority\'s "full chain"), unless Between is an authority of your own',
  ]);
  expect(problems(chainOf(below.issue({ name: NAME })), { authorities: () => undefined })).toEqual([]);
});

test("what is out of order is named, with its right place", () => {
  const leaf = below.issue({ name: NAME });
  expect(problems(chainOf(leaf, between, below))).toEqual([
    `order: /cert.pem: certificates are not in order: Below has to stand right behind ${NAME}, which it has signed`,
  ]);
  expect(problems(chainOf(leaf, below, selfSigned("Stray")))).toEqual([
    "order: /cert.pem: certificates are not in order: Stray stands behind Below and has not signed it",
  ]);
});

test("a certificate that has signed itself is told of", () => {
  expect(problems(chainOf(selfSigned(NAME)))).toEqual([
    `self-signed: /cert.pem: the certificate of ${NAME} has signed itself: whoever looks at it trusts it only by its fingerprint`,
  ]);
});

test("other names, times and purposes", () => {
  const leaf = root.issue({ name: "other.example", names: "DNS:other.example,DNS:*.example.net" });
  expect(problems(chainOf(leaf), { names: ["mx.example.net"] })).toEqual([]);
  expect(problems(chainOf(leaf), { names: [] })).toEqual([]);
  expect(problems(chainOf(leaf))).toEqual([
    `name: /cert.pem: the certificate is for other.example, *.example.net, not for ${NAME}: clients that look at the name refuse it`,
  ]);
  const clients = chainOf(root.issue({ name: NAME, purpose: "clientAuth" }));
  expect(problems(clients, { role: "client" })).toEqual([]);
  expect(problems(clients)).toEqual([
    "purpose: /cert.pem: the certificate is not made for a server (extendedKeyUsage has no serverAuth)",
  ]);
  expect(problems(chainOf(root.issue({ name: NAME, expired: true })), { now: Date.now() })[0]).toMatch(
    /^validity: \/cert.pem: the certificate of mail.example.com expired on 20\d\d-\d\d-\d\d: renew it$/,
  );
});

test("the end of a certificate is told 14 days ahead, that of a short one with a third of its life left", () => {
  const chain = chainOf(root.issue({ name: NAME }), root);
  const end = expiryOf(chain);
  const [own] = certificatesOf(chain);
  const notice = Math.min(14 * DAY, (own!.notAfter - own!.notBefore) / 3);
  const at = (now: number) => problems(chain, { now }).filter((text) => text.startsWith("validity"));
  expect(at(end - notice - 1)).toEqual([]);
  const date = new Date(end).toISOString().slice(0, 10);
  expect(at(end - notice)[0]).toBe(
    `validity: /cert.pem: the certificate of ${NAME} expires on ${date}, in ${
      durationText(notice)
    }: renew it`,
  );
  expect(at(end + 1)[0]).toContain(`expired on ${date}`);
  expect(at(0)[0]).toMatch(/is not valid before .*: is the clock right\?$/);
});

test("times are told in hours when they are short", () => {
  expect([49, 47, 1, 0].map((hours) => durationText(hours * 3_600_000))).toEqual([
    "2 days",
    "47 hours",
    "1 hour",
    "0 hours",
  ]);
});
