import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DnsAnswer } from "../../dns/answer.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { CountStore } from "../../platform/database/count_store.ts";
import { sendDailyReports } from "../../platform/database/daily_reports.ts";
import { DayCounts } from "../../platform/database/day_counts.ts";
import type { AggregateReport } from "./aggregate_report.ts";
import { countMessages } from "./count_message.ts";
import { parseReport } from "./parse_report.ts";
import { prepareDmarcReport } from "./prepare_report.ts";
import type { PublishedPolicy, VerifiedMessage } from "./verified_message.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const POLICY: PublishedPolicy = {
  domain: "example.com",
  p: "quarantine",
  sp: "reject",
  adkim: "r",
  aspf: "s",
  fo: "1",
  testing: false,
  discovery: "treewalk",
  hasRua: true,
};
const MESSAGE: VerifiedMessage = {
  sourceIp: "192.0.2.1",
  headerFrom: "news.example.com",
  envelopeFrom: "bounces.example.com",
  policy: POLICY,
  disposition: "none",
  aligned: { dkim: true, spf: false },
  reasons: [],
  dkim: [{ domain: "other.example", selector: "x", result: "fail" }, {
    domain: "example.com",
    selector: "s1",
    result: "pass",
  }],
  spf: { domain: "bounces.example.com", result: "softfail" },
};
const REPORTER = {
  organization: "Receiver & Sons",
  from: "dmarc@receiver.example",
  submitter: "mail.receiver.example",
  generator: "mta 1",
};

let folder: string;
let now: number;
let zone: Record<string, readonly string[] | "trouble">;
let mailed: { content: string; to: string }[];
let notes: string[];
let stores: CountStore[];
let mailFault: Error | undefined;
let patience: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dmarc-"));
  now = Date.parse("2026-03-04T12:00:00Z");
  zone = { "_dmarc.example.com": ["v=DMARC1; p=quarantine; rua=mailto:agg@example.com"] };
  patience = new AbortController();
  [mailed, notes, stores, mailFault] = [[], [], [], undefined];
});
afterEach(() => {
  for (const store of stores) store.close();
  rmSync(folder, { recursive: true });
});

function open(): CountStore {
  const store = new CountStore(join(folder, "dmarc.sqlite"), { groups: 100, keysOfGroup: 100, keys: 1000 });
  stores.push(store);
  return store;
}

function txt(name: string): DnsAnswer<"TXT"> {
  const texts = zone[name] ?? [];
  if (texts === "trouble") return { is: "trouble", why: "SERVFAIL", retry: true };
  const records = texts.map((text) => ({ type: "TXT" as const, name, ttl: 1, text }));
  return records.length === 0
    ? { is: "nodata", authentic: false }
    : { is: "records", records, canonical: name, authentic: false };
}

/** What comes of a name that nobody answers for is that nobody waits for it any more. */
const query = ((name: string, _type: string, signal?: AbortSignal) => {
  if (!name.endsWith(".silent.example")) return Promise.resolve(txt(name));
  patience.abort();
  return Promise.resolve({
    is: "trouble",
    why: signal?.aborted === true ? "aborted" : "no end",
    retry: true,
  });
}) as Resolver["query"];

const send = () =>
  sendDailyReports({
    kind: "DMARC report",
    submitter: REPORTER.submitter,
    store: open(),
    prepare: prepareDmarcReport({
      resolver: { query },
      patience: () => patience.signal,
      reporter: REPORTER,
      mail: (content, to) =>
        mailFault === undefined
          ? Promise.resolve(void mailed.push({ content, to }))
          : Promise.reject(mailFault),
      note: (_, text) => notes.push(text),
    }),
    now: () => now,
    isOver: () => false,
    note: (_, text) => notes.push(text),
  });

function count(...messages: readonly Partial<VerifiedMessage>[]): number {
  const counts = new DayCounts(() => now);
  const onVerified = countMessages((domain, key) => counts.add(domain, key), () => now);
  for (const message of messages) onVerified({ ...MESSAGE, ...message });
  return counts.flush(open());
}

function xmlOf(content: string): string {
  const base64 = content.split("Content-Transfer-Encoding: base64")[1]!.split("\r\n\r\n")[1]!;
  return Buffer.from(Bun.gunzipSync(Buffer.from(base64, "base64"))).toString();
}

function reportOf(content: string): AggregateReport {
  const report = parseReport(xmlOf(content));
  if ("fault" in report) throw new Error(report.fault);
  return report;
}

test("a report holds what several processes counted, as RFC 9990 has it", async () => {
  count({}, {}, {
    sourceIp: "2001:db8::1",
    aligned: { dkim: false, spf: false },
    dkim: [],
    envelopeFrom: "",
  });
  count({}, {
    disposition: "quarantine",
    reasons: [{ type: "trusted_forwarder", comment: "list <of> ours" }],
    spf: undefined,
  });
  now += 2 * DAY;
  await send();
  expect(mailed.map(({ to }) => to)).toEqual(["agg@example.com"]);
  expect(xmlOf(mailed[0]!.content)).toBe(
    await Bun.file(join(import.meta.dir, "../../../test/interop/mailauth/report.xml")).text(),
  );
});

test("a report goes by mail as RFC 9990 §3.5.2 wants it", async () => {
  count({});
  now += 2 * DAY;
  await send();
  const { content } = mailed[0]!;
  const head = content.slice(0, content.indexOf("\r\n\r\n"));
  expect(head).toContain(
    "From: dmarc@receiver.example\r\nTo: agg@example.com\r\n" +
      "Subject: Report Domain: example.com\r\n Submitter: mail.receiver.example\r\n" +
      " Report-ID: <2026-03-04_example.com@mail.receiver.example>\r\n",
  );
  expect(content).toContain("Content-Type: application/gzip\r\n");
  expect(content).toContain('filename="mail.receiver.example!example.com!1772582400!1772668799.xml.gz"');
  expect(content.split("\r\n").every((line) => line.length <= 200 && !/[\r\n]/.test(line))).toBeTrue();
  expect(notes).toEqual([
    "DMARC report for example.com about 2026-03-04: 1 messages in 1 records: sent to mailto:agg@example.com",
  ]);
});

test("of several policies of a day the report has the last", async () => {
  count({}, {}, {});
  now += 3 * HOUR;
  count({ policy: { ...POLICY, p: "reject", testing: true } });
  now += 2 * DAY;
  await send();
  const { policy, records } = reportOf(mailed[0]!.content);
  expect(policy).toMatchObject({ p: "reject", testing: "y", sp: "reject", aspf: "s", discovery: "treewalk" });
  expect(records).toMatchObject([{ count: 4 }]);
});

test("what is not wanted, and reports of others that pass, are not counted", async () => {
  count({ policy: { ...POLICY, hasRua: false } }, { isReport: true });
  now += 2 * DAY;
  await send();
  expect(mailed).toEqual([]);
  count({ isReport: true, aligned: { dkim: false, spf: false } });
  now += 2 * DAY;
  await send();
  expect(reportOf(mailed[0]!.content).records).toHaveLength(1);
});

test("a domain that wants no reports any more, or has no record, gets none", async () => {
  for (const record of [["v=DMARC1; p=none"], [], ["v=DMARC1; p=none; rua=https://example.com/"]]) {
    count({});
    zone["_dmarc.example.com"] = record;
    now += 2 * DAY;
    await send();
  }
  expect([mailed.length, open().groupsBefore("9", now, 10).length]).toEqual([0, 0]);
});

test("DNS in trouble, and a queue that cannot take it, mean later", async () => {
  count({});
  now = Date.parse("2026-03-05T06:00:00Z");
  zone["_dmarc.example.com"] = "trouble";
  await send();
  zone["_dmarc.example.com"] = ["v=DMARC1; p=none; rua=mailto:a@example.com,mailto:b@elsewhere.example"];
  zone["example.com._report._dmarc.elsewhere.example"] = "trouble";
  now += HOUR;
  mailFault = new Error("queue full");
  await send();
  mailFault = undefined;
  now += HOUR;
  await send();
  expect(mailed.map(({ to }) => to)).toEqual(["a@example.com"]);
  zone["example.com._report._dmarc.elsewhere.example"] = ["v=DMARC1"];
  now += HOUR;
  await send();
  await send();
  expect(mailed.map(({ to }) => to)).toEqual(["a@example.com", "b@elsewhere.example"]);
});

describe("a place outside of the organization", () => {
  const RUA = "v=DMARC1; p=none; rua=mailto:r@third.example";
  const NAME = "example.com._report._dmarc.third.example";
  const sentTo = async (record: string, answer?: readonly string[]) => {
    zone["_dmarc.example.com"] = [record];
    if (answer !== undefined) zone[NAME] = answer;
    count({});
    now += 2 * DAY;
    await send();
    return mailed.map(({ to }) => to);
  };

  test("gets nothing unless it says that it wants to", async () => {
    expect(await sentTo(RUA)).toEqual([]);
    expect(notes.at(-1)).toContain(`${NAME} does not say that reports are welcome`);
  });
  test("gets nothing by a record of another kind", async () =>
    expect(await sentTo(RUA, ["v=spf1 -all", "DMARC1"])).toEqual([]));
  test("gets it where it says so", async () =>
    expect(await sentTo(RUA, ["v=DMARC1"])).toEqual(["r@third.example"]));
  test("may name another place of its own", async () =>
    expect(await sentTo(RUA, ["v=DMARC1; rua=mailto:x@third.example"])).toEqual(["x@third.example"]));
  test("that names a third one gets nothing", async () =>
    expect(await sentTo(RUA, ["v=DMARC1; rua=mailto:x@victim.example"])).toEqual([]));
  test("is not asked when it is of the same organization", async () => {
    expect(await sentTo("v=DMARC1; p=none; rua=mailto:r@mail.example.com")).toEqual(["r@mail.example.com"]);
  });
  test("is none when it is too small", async () => {
    expect(await sentTo("v=DMARC1; p=none; rua=mailto:r@example.com!1k,mailto:s@example.com!1m")).toEqual([
      "s@example.com",
    ]);
    expect(notes).toContainEqual(expect.stringContaining("is larger than 1024 bytes"));
  });
});

test("a place whose name servers say nothing is waited for so long and no longer, and asked again", async () => {
  zone["_dmarc.example.com"] = [
    "v=DMARC1; p=none; rua=mailto:agg@example.com,mailto:agg@a.silent.example",
  ];
  count({});
  now += 2 * DAY;
  await send();
  expect(mailed.map(({ to }) => to)).toEqual(["agg@example.com"]);
  expect(notes).toContainEqual(expect.stringMatching(/to mailto:agg@a\.silent\.example: .*aborted/));
  zone["_dmarc.example.com"] = ["v=DMARC1; p=none; rua=mailto:agg@example.com"];
  [now, mailed, patience] = [now + 2 * HOUR, [], new AbortController()];
  await send();
  expect(mailed).toEqual([]);
});

test("what others make up is bounded: records of a domain, signatures, names", async () => {
  const long = "x".repeat(10_000);
  const many = Array.from(
    { length: 50 },
    (_, at) => ({ domain: `${at}.${long}`, selector: long, result: "pass" as const }),
  );
  expect(count({ dkim: many, headerFrom: long, envelopeFrom: long })).toBe(0);
  const lost = count(...Array.from({ length: 150 }, (_, at) => ({ sourceIp: `192.0.2.${at}` })));
  expect(lost).toBe(52);
  now += 2 * DAY;
  await send();
  const { records } = reportOf(mailed[0]!.content);
  expect(records.length).toBe(99);
  expect(records.find(({ headerFrom }) => headerFrom.startsWith("x"))!.signatures.length).toBe(1);
});
