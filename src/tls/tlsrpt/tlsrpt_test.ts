import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { DnsAnswer } from "../../dns/answer.ts";
import { CountStore } from "../../platform/database/count_store.ts";
import { type DailyReports, dueAt, sendDailyReports } from "../../platform/database/daily_reports.ts";
import { DayCounts, dayOf, parseGroup } from "../../platform/database/day_counts.ts";
import type { HttpResponse } from "../https/http_response.ts";
import type { HttpsFailure, HttpsRequest } from "../https/https_request.ts";
import { prepareTlsReport } from "./prepare_report.ts";
import { outcomeKey, parseOutcomeKey, RESULT_TYPES, type TlsOutcome } from "./tls_outcome.ts";
import { printReportUri, reportUris } from "./tlsrpt_record.ts";

describe("the record of _smtp._tls", () => {
  const places = (...texts: string[]) => reportUris(texts)?.map(printReportUri);

  test("names places by mail and by web", () => {
    expect(places("v=TLSRPTv1;rua=mailto:reports@example.com")).toEqual(["mailto:reports@example.com"]);
    expect(places("v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt?x=1 , mailto:a%2Bb@example.com;"))
      .toEqual([
        "https://reporting.example.com/v1/tlsrpt?x=1",
        "mailto:a+b@example.com",
      ]);
    expect(places("v=TLSRPTv1; x=y; rua=HTTPS://[2001:db8::1]:8443", "v=spf1 -all")).toEqual([
      "https://2001:db8::1:8443/",
    ]);
  });

  test("is none when it is not exactly one, or names nothing", () => {
    const good = "v=TLSRPTv1;rua=mailto:a@example.com";
    for (
      const texts of [[], [good, good], ["v=tlsrptv1;rua=mailto:a@b.c"], ["v=TLSRPTv1"], ["v=TLSRPTv1;x=y"]]
    ) {
      expect(reportUris(texts)).toBeUndefined();
    }
  });

  test("places that could be turned against others are left out", () => {
    const rua = [
      "http://example.com/",
      "https://user:secret@example.com/",
      "https://exa mple.com/",
      "mailto:a@example.com%0d%0abcc:b@example.com",
      "mailto:%22a b%22@example.com",
      "mailto:a@example.com?subject=x&bcc=b@example.com",
      "ftp://example.com",
    ];
    expect(places(`v=TLSRPTv1;rua=${rua.join(",")}`)).toEqual(["mailto:a@example.com"]);
    expect(places(`v=TLSRPTv1;rua=${Array(50).fill("mailto:a@b.example").join(",")}`)?.length).toBe(10);
  });

  test("no text throws, and what is found is one line without controls", () => {
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom("mailto:", "https://", ",", "%", "a@b.example", "\r\n"),
    );
    fc.assert(fc.property(fc.array(part), (parts) => {
      for (const place of places(`v=TLSRPTv1;rua=${parts.join("")}`) ?? []) {
        expect(place).toMatch(/^[\x21-\x7e]+$/);
      }
    }));
  });
});

test("an outcome is read back from its key, and nothing else is", () => {
  const short = fc.option(fc.string({ maxLength: 40 }), { nil: undefined });
  const arbitrary = fc.record({
    policy: fc.record({
      type: fc.constantFrom("tlsa", "sts", "no-policy-found"),
      domain: fc.string({ maxLength: 40 }),
      strings: fc.option(fc.array(fc.string({ maxLength: 40 })), { nil: undefined }),
      mxHosts: fc.option(fc.array(fc.string({ maxLength: 40 })), { nil: undefined }),
    }),
    failure: fc.option(
      fc.record({
        type: fc.constantFrom(...RESULT_TYPES),
        reason: short,
        sendingIp: short,
        mx: short,
        helo: short,
        receivingIp: short,
      }),
      { nil: undefined },
    ),
  });
  fc.assert(fc.property(arbitrary, (outcome) => {
    const read = parseOutcomeKey(outcomeKey(outcome as TlsOutcome));
    expect(JSON.stringify(read)).toBe(JSON.stringify(outcome));
  }));
  fc.assert(fc.property(fc.string(), (text) => void parseOutcomeKey(text)));
  const long = parseOutcomeKey(outcomeKey({
    policy: { type: "sts", domain: "d", strings: Array(200).fill("x".repeat(1000)) },
  }));
  expect(long?.policy).toEqual({ type: "sts", domain: "d" });
  const helo = parseOutcomeKey(outcomeKey({
    policy: { type: "sts", domain: "d", strings: ["x"] },
    failure: { type: "dane-required", helo: "x".repeat(1000) },
  }));
  expect([helo?.policy.strings, helo?.failure?.helo?.length]).toEqual([["x"], 500]);
});

const DAY = 86_400_000;
const STS = {
  type: "sts",
  domain: "example.com",
  strings: ["version: STSv1", "mode: enforce", "mx: mx.example.com", "max_age: 1"],
  mxHosts: ["mx.example.com"],
} as const;
const FAILURE = {
  type: "certificate-expired",
  sendingIp: "192.0.2.1",
  mx: "mx.example.com",
  helo: "mx",
  receivingIp: "192.0.2.2",
} as const;

describe("reports", () => {
  let folder: string;
  let now: number;
  let record: readonly string[] | "trouble";
  let web: HttpResponse | HttpsFailure;
  let mailed: { content: string; to: string }[];
  let asked: HttpsRequest[];
  let notes: string[];
  let stores: CountStore[];
  let mailFault: Error | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tlsrpt-"));
    now = Date.parse("2026-03-04T12:00:00Z");
    record = ["v=TLSRPTv1;rua=mailto:tls@example.com,https://collector.example/v1"];
    web = { status: 201, fields: new Map(), body: Buffer.alloc(0) };
    [mailed, asked, notes, stores, mailFault] = [[], [], [], [], undefined];
  });
  afterEach(() => {
    for (const store of stores) store.close();
    rmSync(folder, { recursive: true });
  });

  function open(limits = { groups: 100, keysOfGroup: 100, keys: 1000 }): CountStore {
    const store = new CountStore(join(folder, "tlsrpt.sqlite"), limits);
    stores.push(store);
    return store;
  }

  const prepare = (): DailyReports["prepare"] =>
    prepareTlsReport({
      resolver: {
        txt: (name): Promise<DnsAnswer<"TXT">> => {
          if (record === "trouble") return Promise.resolve({ is: "trouble", why: "SERVFAIL", retry: true });
          expect(name).toStartWith("_smtp._tls.");
          const records = record.map((text) => ({ type: "TXT" as const, name, ttl: 1, text }));
          return Promise.resolve(
            records.length === 0
              ? { is: "nodata", authentic: false }
              : { is: "records", records, canonical: name, authentic: false },
          );
        },
      },
      reporter: {
        organization: "Example Inc.",
        contact: "postmaster@sender.example",
        submitter: "mail.sender.example",
      },
      mail: (content, to) =>
        mailFault === undefined
          ? Promise.resolve(void mailed.push({ content, to }))
          : Promise.reject(mailFault),
      ask: (request) => Promise.resolve((asked.push(request), web)),
    });

  const sendReports = () =>
    sendDailyReports({
      kind: "TLS report",
      submitter: "mail.sender.example",
      store: open(),
      prepare: prepare(),
      now: () => now,
      isOver: () => false,
      note: (_, text) => notes.push(text),
    });

  function count(times: number, outcome: TlsOutcome, domain = "example.com", store = open()): number {
    const counts = new DayCounts(() => now);
    for (let i = 0; i < times; i++) counts.add(domain, outcomeKey(outcome));
    return counts.flush(store);
  }

  const jsonOf = (bytes: Uint8Array) =>
    JSON.parse(new TextDecoder().decode(Bun.gunzipSync(Buffer.from(bytes))));

  test("hold what several processes have counted, by policy and failure, as RFC 8460 writes it", async () => {
    count(5, { policy: STS });
    count(2, { policy: STS, failure: FAILURE });
    count(1, { policy: STS, failure: FAILURE });
    count(1, { policy: { type: "no-policy-found", domain: "example.com" } });
    now += 2 * DAY;
    await sendReports();
    expect(asked.length).toBe(1);
    const { host, port, path, verify, body } = asked[0]!;
    expect([host, port, path, verify, body!.type]).toEqual([
      "collector.example",
      443,
      "/v1",
      false,
      "application/tlsrpt+gzip",
    ]);
    const report = jsonOf(body!.bytes);
    expect(report).toMatchObject({
      "organization-name": "Example Inc.",
      "date-range": { "start-datetime": "2026-03-04T00:00:00Z", "end-datetime": "2026-03-04T23:59:59Z" },
      "contact-info": "postmaster@sender.example",
      "report-id": "2026-03-04T00.00.00Z+example.com@mail.sender.example",
    });
    expect(report.policies.find((each: { policy: object }) => "policy-string" in each.policy)).toEqual({
      policy: {
        "policy-type": "sts",
        "policy-string": STS.strings,
        "policy-domain": "example.com",
        "mx-host": ["mx.example.com"],
      },
      summary: { "total-successful-session-count": 5, "total-failure-session-count": 3 },
      "failure-details": [{
        "result-type": "certificate-expired",
        "sending-mta-ip": "192.0.2.1",
        "receiving-mx-hostname": "mx.example.com",
        "receiving-mx-helo": "mx",
        "receiving-ip": "192.0.2.2",
        "failed-session-count": 3,
      }],
    });
    expect(report.policies.length).toBe(2);
    expect(statSync(join(folder, "tlsrpt.sqlite")).mode & 0o777).toBe(0o600);
  });

  test("go by mail as RFC 8460 §5.3 wants them", async () => {
    count(1, { policy: STS });
    now += 2 * DAY;
    await sendReports();
    const { content, to } = mailed[0]!;
    expect(to).toBe("tls@example.com");
    const head = content.slice(0, content.indexOf("\r\n\r\n")).split("\r\n");
    expect(head).toContain("TLS-Report-Domain: example.com");
    expect(head).toContain("TLS-Report-Submitter: mail.sender.example");
    expect(head).toContain("TLS-Required: no");
    expect(head).toContain("Subject: Report Domain: example.com Submitter: mail.sender.example");
    expect(head).toContain('Content-Type: multipart/report; report-type="tlsrpt";');
    expect(content).toContain(
      'filename="mail.sender.example!example.com!1772582400!1772668799.json.gz"',
    );
    expect(content.split("\r\n").every((line) => line.length <= 200 && !/[\r\n]/.test(line))).toBeTrue();
    const [, , attachment = ""] = content.split(/\r\n--_tlsrpt_\S+\r\n/);
    expect(attachment).toStartWith("Content-Type: application/tlsrpt+gzip\r\n");
    const base64 = attachment.split("\r\n\r\n")[1]!;
    expect(jsonOf(Buffer.from(base64, "base64")).policies[0].summary["total-successful-session-count"]).toBe(
      1,
    );
  });

  test("wait for the end of the day and their turn, then are sent once, by one process", async () => {
    count(1, { policy: STS });
    const due = dueAt({ day: dayOf(now), domain: "example.com" }, "mail.sender.example");
    expect(due).toBeGreaterThanOrEqual(Date.parse("2026-03-05T00:10:00Z"));
    expect(due).toBeLessThan(Date.parse("2026-03-05T04:10:00Z"));
    now = due - 1;
    await sendReports();
    expect(mailed.length).toBe(0);
    now = due;
    await Promise.all([sendReports(), sendReports()]);
    await sendReports();
    expect([mailed.length, asked.length]).toEqual([1, 1]);
    expect(open().groupsBefore("9", now, 10)).toEqual([]);
  });

  test("a place that fails gets it later, for a day; the others not again", async () => {
    count(1, { policy: STS });
    web = { failed: "connection", why: "Connection refused" };
    now += 2 * DAY - 12 * 3_600_000 - DAY + 5 * 3_600_000;
    await sendReports();
    await sendReports();
    expect([mailed.length, asked.length]).toEqual([1, 1]);
    now += 3_600_000;
    web = { status: 500, fields: new Map(), body: Buffer.alloc(0) };
    await sendReports();
    expect([mailed.length, asked.length]).toEqual([1, 2]);
    now += 3_600_000;
    web = { status: 200, fields: new Map(), body: Buffer.alloc(0) };
    await sendReports();
    await sendReports();
    expect([mailed.length, asked.length]).toEqual([1, 3]);
    expect(notes.filter((note) => note.includes("HTTP status 500"))).toHaveLength(1);

    count(1, { policy: STS });
    web = { status: 302, fields: new Map(), body: Buffer.alloc(0) };
    now += 3 * DAY;
    await sendReports();
    expect(notes.at(-1)).toContain("given up");
    expect(open().groupsBefore("9", now, 10)).toEqual([]);
  });

  test("a message that the queue cannot take, and DNS in trouble, mean later", async () => {
    count(1, { policy: STS });
    record = ["v=TLSRPTv1;rua=mailto:tls@example.com"];
    mailFault = new Error("queue full");
    now = Date.parse("2026-03-05T06:00:00Z");
    await sendReports();
    mailFault = undefined;
    now += 3_600_000;
    record = "trouble";
    await sendReports();
    record = ["v=TLSRPTv1;rua=mailto:new@example.com"];
    now += 3_600_000;
    await sendReports();
    expect(mailed.map(({ to }) => to)).toEqual(["new@example.com"]);
  });

  test("a domain that wants none any more gets none", async () => {
    count(1, { policy: STS });
    record = [];
    now += 2 * DAY;
    await sendReports();
    expect([mailed.length, open().groupsBefore("9", now, 10).length]).toEqual([0, 0]);
  });

  test("what others make up is bounded: outcomes of a domain, domains", () => {
    const limits = { groups: 3, keysOfGroup: 4, keys: 1000 };
    const store = open(limits);
    const counts = new DayCounts(() => now);
    for (let i = 0; i < 10; i++) {
      counts.add("a.example", outcomeKey({ policy: STS, failure: { ...FAILURE, helo: `${i}` } }));
    }
    for (let i = 0; i < 10; i++) counts.add(`${i}.example`, outcomeKey({ policy: STS }));
    expect(counts.flush(store)).toBe(6 + 8);
    expect(store.counts(`${dayOf(now)} a.example`).length).toBe(4);
    expect(store.groupsBefore("9", now, 100).length).toBe(3);
    counts.add("a.example", outcomeKey({ policy: STS, failure: { ...FAILURE, helo: "0" } }));
    expect(counts.flush(store)).toBe(0);
    const full = open({ groups: 100, keysOfGroup: 100, keys: 6 });
    counts.add("new.example", outcomeKey({ policy: STS }));
    expect(counts.flush(full)).toBe(1);
  });

  test("counting goes on while the file cannot be written, and is not lost", () => {
    const store = open();
    store.close();
    const counts = new DayCounts(() => now);
    counts.add("example.com", outcomeKey({ policy: STS }));
    expect(() => counts.flush(store)).toThrow();
    counts.add("example.com", outcomeKey({ policy: STS }));
    const good = open();
    counts.flush(good);
    expect(good.counts(`${dayOf(now)} example.com`)).toMatchObject([{ count: 2 }]);
    stores.splice(stores.indexOf(store), 1);
  });

  test("group names are read at the door", () => {
    expect(parseGroup("2026-03-04 example.com")).toEqual({ day: "2026-03-04", domain: "example.com" });
    for (const bad of ["", "2026-13-01 x", "2026-03-04", "x 2026-03-04 y", "2026-03-04 a b"]) {
      expect(parseGroup(bad)).toBeUndefined();
    }
  });
});
