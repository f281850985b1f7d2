import { expect, test } from "bun:test";
import type { DnsAnswer } from "../../dns/answer.ts";
import { generateKey, parseSigningKey, publicRecord } from "../../mailauth/dkim/signing_key.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import { reportKeys } from "./report_keys.ts";

const PEM = generateKey("rsa-sha256");
const OTHER = generateKey("rsa-sha256");
const WEAK = generateKey("rsa-sha256", 1024);

function recordOf(pem: string): string {
  const key = parseSigningKey("d", "s", pem, 0);
  if ("fault" in key) throw new Error(key.fault);
  return publicRecord(key);
}

const NAMES = ["good", "none", "other", "revoked", "odd", "two", "testing", "down", "weak"];
const RECORDS: Readonly<Record<string, readonly string[]>> = {
  "s._domainkey.good.example": [recordOf(PEM)],
  "s._domainkey.other.example": [recordOf(OTHER)],
  "s._domainkey.revoked.example": ["v=DKIM1; p="],
  "s._domainkey.odd.example": ["hello"],
  "s._domainkey.two.example": [recordOf(PEM), recordOf(OTHER)],
  "s._domainkey.testing.example": [`${recordOf(PEM)}; t=y`],
  "s._domainkey.weak.example": [recordOf(WEAK)],
};

const resolver = {
  txt: (name: string): Promise<DnsAnswer<"TXT">> => {
    if (name.includes("down")) return Promise.resolve({ is: "trouble", why: "time-out", retry: true });
    const texts = RECORDS[name];
    if (texts === undefined) return Promise.resolve({ is: "nxdomain", authentic: false });
    const records = texts.map((text) => ({ type: "TXT" as const, name, ttl: 60, text }));
    return Promise.resolve({ is: "records", records, canonical: name, authentic: false });
  },
};

async function report(tables: string, domains: readonly string[] = []) {
  const openTables = createOpenTables({
    directory: "/nonexistent",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const settings = {
    dkim_signing_keys: tables,
    myorigin: "own.example",
    mydomain: "own.example",
    myhostname: "mail.own.example",
  };
  const reports = await reportKeys(settings, {
    resolver,
    openTables,
    read: (path) => {
      if (path === "/roots") throw Object.assign(new Error("EACCES"), { code: "EACCES" });
      if (path === "/gone") throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
      return path === "/weak" ? WEAK : PEM;
    },
    isOpenToAll: (path) => path === "/open",
  }, domains);
  openTables.close();
  return reports;
}

test("each key is compared with what is published, and each trouble comes with what to do", async () => {
  const entries = NAMES.map((name) => `${name}.example=s:/${name === "weak" ? "weak" : "key"}`).join(", ");
  const { keys, problems } = await report(`inline:{${entries}}`);
  expect(problems).toEqual([]);
  const publish = (name: string, pem = PEM) => `publish s._domainkey.${name}.example TXT "${recordOf(pem)}"`;
  const fails = (name: string) => `mail of ${name}.example signed with s=s fails: `;
  const found = Object.fromEntries(keys.map(({ domain, published, problems }) => [
    domain.replace(".example", ""),
    [published, ...problems.flatMap(({ grave, text, fix }) => [grave, text, fix])],
  ]));
  expect(found).toEqual({
    good: ["published"],
    none: [
      "missing",
      true,
      `${fails("none")}nobody finds its key, s._domainkey.none.example has no TXT record`,
      publish("none"),
    ],
    other: [
      "different",
      true,
      `${fails("other")}s._domainkey.other.example has another key than the one that signs`,
      publish("other"),
    ],
    revoked: [
      "unusable",
      true,
      `${fails("revoked")}s._domainkey.revoked.example: key is revoked`,
      publish("revoked"),
    ],
    odd: [
      "unusable",
      true,
      expect.stringContaining("s._domainkey.odd.example: key record: "),
      publish("odd"),
    ],
    two: ["unusable", true, expect.stringContaining("2 records are there"), publish("two")],
    testing: ["published", false, expect.stringContaining("(t=y)"), "take t=y out of the record"],
    down: ["unknown", false, expect.stringContaining("time-out"), expect.any(String)],
    weak: [
      "published",
      false,
      expect.stringContaining("has 1024 bits"),
      expect.stringContaining("mta dkim genkey"),
    ],
  });
});

test("keys that cannot be read, files that all may read, and entries that are none are told", async () => {
  const { keys, problems } = await report(
    "inline:{a.example=s:/gone, good.example=s:/open, .good.example=s:/open, bad.example=x}",
  );
  expect(keys.map(({ published }) => published)).toEqual(["unread", "published"]);
  expect(keys[0]!.problems[0]).toMatchObject({
    grave: true,
    text: "DKIM key s=s d=a.example: /gone: No such file or directory",
  });
  expect(keys[1]!.problems).toEqual([{
    grave: false,
    text: "/open: everybody on this machine may read this key, and sign as good.example",
    fix: "chmod 600 /open",
  }]);
  expect(problems).toEqual([
    'dkim_signing_keys: entry of bad.example: expected selector:/path/key.pem instead of "x"',
  ]);
});

test("a key that is for others to read is no bad key, and nobody is told to replace it", async () => {
  const reports = await report("inline:{a.example=s:/roots}", ["a.example"]);
  expect(reports.keys[0]!.problems).toEqual([{
    grave: false,
    text: "DKIM key s=s d=a.example: /roots: Permission denied",
    fix: "ask as root: mta dkim check a.example",
  }]);
});

test("tables that list nothing are asked for our own domains, or those that are named", async () => {
  const table = "regexp:{{/good\\.example$/ s:/key}, {/^own\\.example$/ s:/key}}";
  expect((await report(table)).keys.map(({ domain }) => domain)).toEqual(["own.example"]);
  expect((await report(table, ["good.example"])).keys.map(({ domain }) => domain)).toEqual(["good.example"]);
  expect((await report(table, ["x.example"])).without).toEqual(["x.example"]);
});

test("notices that nobody would sign are told, and which entry would", async () => {
  expect((await report("inline:{own.example=s:/key}")).notes).toEqual([
    "notices come from MAILER-DAEMON@mail.own.example, which has no key: they are not signed; " +
    "add an entry for .own.example to dkim_signing_keys",
  ]);
  expect((await report("inline:{own.example=s:/key, .own.example=s:/key}")).notes).toEqual([]);
});
