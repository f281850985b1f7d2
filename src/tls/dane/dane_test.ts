import { expect, test as always } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { authorityUnder, selfMadeAuthority } from "../../../test/kit/memory/authority.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { NO_AUTHORITIES } from "../verification/authorities.ts";
import { readCertificate } from "../x509/certificate.ts";
import { choosePurposes, daneAssociations, daneMatchLine, recordText, type TlsaRecord } from "./dane.ts";
import { readDaneDigests } from "./dane_digests.ts";
import { pemObjects } from "../x509/pem.ts";
import { judge } from "../verification/verification.ts";
import { troubleLine } from "../verify_trouble.ts";

const { beforeAll, describe, test } = withPeers(import.meta.path, "openssl");

const NAME = "mx.example.com";
const WHOM = `${NAME}[192.0.2.1]:25`;
const { digests: DIGESTS } = readDaneDigests("sha512 sha256");

const derOf = (pem: string) => pemObjects(pem).objects.map(({ der }) => Buffer.from(der));

/** A server's chain with all of its signers, though not all need come along. */
interface Chain {
  readonly whole: readonly Buffer[];
  /** What the names and dates of it allow. */
  readonly good: boolean;
}

const chains: Record<"right" | "expired" | "otherName", Chain> = {
  right: { whole: [], good: true },
  expired: { whole: [], good: false },
  otherName: { whole: [], good: false },
};
const KINDS = ["right", "expired", "otherName"] as const;

beforeAll(() => {
  const root = selfMadeAuthority("Root");
  const between = authorityUnder(root, "Between");
  const whole = (own: { readonly certificate: string }) => [
    ...derOf(own.certificate).slice(0, 1),
    ...derOf(between.certificate).slice(0, 1),
    ...derOf(root.certificate).slice(0, 1),
  ];
  chains.right = { whole: whole(between.issue({ name: NAME })), good: true };
  chains.expired = { whole: whole(between.issue({ name: NAME, expired: true })), good: false };
  chains.otherName = { whole: whole(between.issue({ name: "other.example" })), good: false };
});

/** The data of a record that matches a certificate. */
function dataFor(der: Buffer, selector: number, matchingType: number): Buffer {
  const whole = selector === 0 ? der : readCertificate(der)!.publicKey;
  if (matchingType === 0) return whole;
  return createHash(matchingType === 1 ? "sha256" : "sha512").update(whole).digest();
}

function judged(presented: readonly Buffer[], records: readonly TlsaRecord[]) {
  const { usable } = daneAssociations(records, DIGESTS, WHOM);
  return judge({ chain: presented, trouble: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }, {
    role: "server",
    authorities: NO_AUTHORITIES,
    associations: usable,
    names: [NAME],
    depth: 9,
    now: Date.now(),
  });
}

/** A record of a random kind: for a certificate of the chain, or for nothing. */
const record = fc.record({
  usage: fc.constantFrom(2, 3),
  selector: fc.constantFrom(0, 1),
  matchingType: fc.constantFrom(0, 1, 2),
  of: fc.constantFrom(0, 1, 2),
  right: fc.boolean(),
});

type Described = typeof record extends fc.Arbitrary<infer Of> ? Of : never;

function made(whole: readonly Buffer[], described: Described, stranger: readonly Buffer[]): TlsaRecord {
  const { usage, selector, matchingType, of, right } = described;
  const data = dataFor((right ? whole : stranger)[of]!, selector, matchingType);
  return { usage, selector, matchingType, data };
}

/** What RFC 7671 says of one record: 3 is about the first certificate alone, 2 about a signer that came along or stands in the record. */
function vouches(described: Described, shown: number, good: boolean): boolean {
  const { usage, matchingType, of, right } = described;
  if (!right) return false;
  if (usage === 3) return of === 0;
  const reached = of < shown || (matchingType === 0 && of <= shown);
  return good && of > 0 && reached;
}

/** Those that count: beside whole ones only the strongest digest of each pair of usage and selector (RFC 7671 §9). */
function counting(all: readonly Described[]): readonly Described[] {
  return all.filter((one) =>
    one.matchingType === 0 ||
    !all.some((other) =>
      other.usage === one.usage && other.selector === one.selector && other.matchingType > one.matchingType
    )
  );
}

describe("DANE", () => {
  test("a chain is trusted when one of the records that count vouches for it, and else not", () => {
    const { whole: stranger } = {
      whole: ["a", "b", "c"].map((name) => derOf(selfMadeAuthority(name).certificate)[0]!),
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...KINDS),
        fc.integer({ min: 1, max: 3 }),
        fc.array(record, { minLength: 1, maxLength: 5 }),
        (kind, shown, all) => {
          const { whole, good } = chains[kind];
          const verdict = judged(whole.slice(0, shown), all.map((each) => made(whole, each, stranger)));
          const expected = counting(all).some((each) => vouches(each, shown, good));
          expect(verdict?.is).toBe(expected ? "trusted" : "untrusted");
        },
      ),
      { numRuns: 400 },
    );
  });

  test("what has matched, where, and what has not, is said in Postfix's words", () => {
    const [own, signer, root] = chains.right.whole as [Buffer, Buffer, Buffer];
    const says = (
      presented: readonly Buffer[],
      usage: number,
      selector: number,
      matchingType: number,
      of: Buffer,
    ) => {
      const verdict = judged(presented, [{
        usage,
        selector,
        matchingType,
        data: dataFor(of, selector, matchingType),
      }]);
      if (verdict?.is !== "trusted") return troubleLine(verdict!.trouble, WHOM, "server");
      const { usable } = daneAssociations(
        [{ usage, selector, matchingType, data: dataFor(of, selector, matchingType) }],
        DIGESTS,
        WHOM,
      );
      return daneMatchLine(WHOM, usable[0]!, verdict.match!).replace(/[0-9A-F.]{32,}$/, "DATA");
    };
    const at = `${WHOM}: Matched DANE`;
    expect(says([own], 3, 1, 1, own)).toBe(`${at} EE certificate at depth 0: 3 1 1 DATA`);
    expect(says([own, signer], 2, 0, 2, signer)).toBe(`${at} TA certificate at depth 1: 2 0 2 DATA`);
    expect(says([own, signer], 2, 0, 0, root)).toBe(`${at} TA certificate at depth 2: 2 0 0 DATA`);
    expect(says([own, signer], 2, 1, 0, root)).toBe(
      `${at} TA public key verified certificate at depth 1: 2 1 0 DATA`,
    );
    const failed = `certificate verification failed for ${WHOM}`;
    expect(says([own], 3, 1, 1, root)).toBe(`server ${failed}: num=65:no matching DANE TLSA records`);
    expect(says([own, signer], 2, 1, 1, root)).toBe(`CA ${failed}: num=65:no matching DANE TLSA records`);
    expect(says(chains.expired.whole, 2, 1, 1, root)).toBe(`server ${failed}: certificate has expired`);
    expect(says(chains.otherName.whole, 2, 1, 1, root)).toBe(`server ${failed}: num=62:hostname mismatch`);
  });
});

const hex = (text: string) => Buffer.from(text, "hex");
const owner = { asked: "_25._tcp.mx.example", canonical: "_25._tcp.mx.example" };

always("records of public authorities and of private use are left out, with Postfix's warnings", () => {
  const records = [
    { usage: 1, selector: 1, matchingType: 1, data: hex("00ff") },
    { usage: 3, selector: 1, matchingType: 255, data: hex("aa") },
    { usage: 3, selector: 1, matchingType: 1, data: hex("bb") },
  ];
  expect(choosePurposes(records, owner)).toEqual({
    usable: records.slice(2),
    warnings: [
      "_25._tcp.mx.example unsupported TLSA certificate usage: 1 1 1 00FF",
      "_25._tcp.mx.example reserved private-use matching type: 3 1 255 AA",
    ],
  });
  expect(choosePurposes(records.slice(0, 1), { ...owner, canonical: "x.example" }).warnings).toEqual([
    "_25._tcp.mx.example -> x.example unsupported TLSA certificate usage: 1 1 1 00FF",
  ]);
});

always("records that can match nothing are unusable, each with a warning", () => {
  const sha256 = "0".repeat(64);
  const unusable = [[3, 2, 1, sha256], [3, 1, 3, sha256], [3, 1, 1, "00"], [3, 1, 2, sha256], [
    3,
    1,
    0,
    "3000",
  ], [2, 0, 0, "3003020100"]] as const;
  for (const [usage, selector, matchingType, data] of unusable) {
    const record = { usage, selector, matchingType, data: hex(data) };
    expect(daneAssociations([record], DIGESTS, WHOM)).toEqual({
      usable: [],
      warnings: [`${WHOM}: unusable TLSA RR: ${recordText(record)}`],
    });
  }
  const empty = { usage: 3, selector: 1, matchingType: 0, data: Buffer.alloc(0) };
  expect(daneAssociations([empty], DIGESTS, WHOM).warnings).toEqual([`${WHOM}: unusable TLSA RR: 3 1 0 ...`]);
});

always("long data is shown by its ends", () => {
  const data = Buffer.from(Array.from({ length: 70 }, (_, at) => at));
  expect(recordText({ usage: 2, selector: 0, matchingType: 0, data })).toBe(
    `2 0 0 ${data.subarray(0, 32).toString("hex").toUpperCase()}...${
      data.subarray(38).toString("hex").toUpperCase()
    }`,
  );
});

always("any bytes for records and their data are judged without a fault", () => {
  fc.assert(fc.property(
    fc.array(
      fc.record({
        usage: fc.nat(255),
        selector: fc.nat(255),
        matchingType: fc.nat(255),
        data: fc.uint8Array({ maxLength: 80 }),
      }),
    ),
    (records) => {
      const { usable, warnings } = choosePurposes(records, owner);
      expect(usable.length + warnings.length).toBe(records.length);
      daneAssociations(usable, DIGESTS, WHOM);
    },
  ));
});

always("tls_dane_digests gives digests their order, and says what is wrong", () => {
  const read = (list: string) => {
    const { digests, warnings } = readDaneDigests(list);
    return [...digests].map(([type, { algorithm, strength }]) => `${type}:${algorithm}:${strength}`).concat(
      warnings,
    );
  };
  expect(read("sha512 sha256")).toEqual(["2:sha512:2", "1:sha256:1"]);
  expect(read("sha256, SHA512=2")).toEqual(["1:sha256:2", "2:sha512:1"]);
  expect(read("sha256 =1")).toEqual([]);
  expect(read("sha384=7 sha256")).toEqual(["7:sha384:2", "1:sha256:1"]);
  expect(read("sha256 sha256")).toEqual([
    "1:sha256:1",
    "tls_dane_digests: matching type 1 specified more than once",
  ]);
  expect(read("sha384")).toEqual(["tls_dane_digests: digest algorithm sha384 needs an explicit number"]);
  expect(read("sha512=1")).toEqual(["tls_dane_digests: matching type 1 can only be sha256"]);
  expect(read("md4=9")).toEqual(['tls_dane_digests: digest algorithm "md4"(9) unknown']);
  expect(read("sha256=x sha256=255 sha256=0")).toEqual([
    "Invalid matching type number in tls_dane_digests: sha256=x",
    "Invalid matching type number in tls_dane_digests: sha256=255",
    "Reserved matching type number in tls_dane_digests: sha256=0",
  ]);
});
