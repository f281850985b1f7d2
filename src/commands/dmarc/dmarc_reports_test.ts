import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDmarcArguments, type ReportsRequest } from "./_arguments.ts";
import { receivedReports } from "./_received_reports.ts";
import { reportsText } from "./_reports_text.ts";

const NOW = Date.parse("2026-03-10T12:00:00Z") / 1000;

describe("mta dmarc", () => {
  const parsed = (...args: string[]) => parseDmarcArguments(args, NOW);
  const request = { paths: [], json: false, since: undefined, domain: undefined };

  test("reports takes places, a time, a domain", () => {
    expect(parsed("reports")).toEqual(request);
    expect(parsed("reports", "a", "-", "--json", "--since", "7d", "--domain=Example.com.")).toEqual({
      paths: ["a", "-"],
      json: true,
      since: NOW - 7 * 86_400,
      domain: "example.com",
    });
    expect(parsed("reports", "--since=2026-03-04")).toEqual({ ...request, since: 1772582400 });
  });

  test("says what it does not understand", () => {
    for (
      const args of [["report"], ["reports", "--x"], ["reports", "--since"], [
        "reports",
        "--since",
        "2026-13-01",
      ], ["reports", "--domain="]]
    ) {
      expect(parsed(...args)).toEqual({ why: expect.any(String) });
    }
    expect([parsed(), parsed("reports", "-h")]).toEqual(["help", "help"]);
  });
});

const record = (ip: string, count: number, [spf, dkim]: readonly [string, string], reason = "") =>
  `<record><row><source_ip>${ip}</source_ip><count>${count}</count><policy_evaluated><disposition>none</disposition>
   <dkim>${dkim}</dkim><spf>${spf}</spf>${reason}</policy_evaluated></row>
   <identifiers><header_from>news.example.com</header_from></identifiers><auth_results/></record>`;

function xml(organization: string, day: string, records: string, domain = "example.com"): string {
  const begin = Date.parse(day) / 1000;
  return `<feedback><report_metadata><org_name>${organization}</org_name><email>a@b.example</email>
    <report_id>${day}</report_id><date_range><begin>${begin}</begin><end>${begin + 86_400}</end></date_range>
    </report_metadata><policy_published><domain>${domain}</domain><p>none</p></policy_published>${records}</feedback>`;
}

const message = (content: string) =>
  `Subject: Report\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n${
    Buffer.from(Bun.gzipSync(Buffer.from(content))).toString("base64")
  }\n`;

describe("reports that came in", () => {
  let folder: string;
  const BIG = xml(
    "big.example",
    "2026-03-04",
    record("192.0.2.1", 12, ["pass", "pass"]) +
      record("203.0.113.9", 3, ["fail", "fail"], "<reason><type>local_policy</type></reason>"),
  );
  const OTHER = xml("other.example", "2026-03-05", record("2001:db8::25", 7, ["fail", "pass"]));
  const read = (paths: readonly string[], more: Partial<ReportsRequest> = {}) =>
    receivedReports({
      json: false,
      since: undefined,
      domain: undefined,
      ...more,
      paths: paths.map((path) => join(folder, path)),
    });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dmarc-reports-"));
    for (const name of ["cur", "new", "tmp"]) mkdirSync(join(folder, "maildir", name), { recursive: true });
    const file = (name: string, content: string) => writeFileSync(join(folder, name), content);
    file("maildir/cur/1:2,S", message(BIG));
    file("maildir/new/2", message(OTHER));
    file("maildir/new/3", "Subject: hello\n\nhow are you?\n");
    file("maildir/new/4", message("<feedback></fedback>"));
    file("maildir/tmp/5", message(OTHER));
    file(
      "mbox",
      `From a Mon\n${message(OTHER)}\nFrom b Tue\n${message("no report")}\nFrom c Wed\n${message(BIG)}`,
    );
    file("report.xml", BIG);
    file(
      "sub.xml",
      xml("big.example", "2026-03-06", record("192.0.2.7", 1, ["pass", "fail"]), "sub.example.com"),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("are shown as a table with a summary", async () => {
    expect(reportsText(await read(["maildir"]))).toBe(
      `REPORTER       PERIOD      DOMAIN       SOURCE        COUNT  DISPOSITION          SPF   DKIM  FROM
big.example    2026-03-04  example.com  192.0.2.1        12  none                 pass  pass  news.example.com
big.example    2026-03-04  example.com  203.0.113.9       3  none (local_policy)  fail  fail  news.example.com
other.example  2026-03-05  example.com  2001:db8::25      7  none                 fail  pass  news.example.com

example.com: 22 messages in 2 reports from 2 reporters; 19 pass (86.4 %), 3 fail: 203.0.113.9 (3)
1 without a report
`,
    );
    expect(reportsText(await read([]))).toBe("no reports\n");
  });

  test("of one reporter with long words make no other line longer", async () => {
    const long = "x".repeat(900);
    const reasons = `<reason><type>${long}</type></reason>`.repeat(100);
    const wordy = xml(long, "2026-03-04", record("192.0.2.7", 1, ["pass", "pass"], reasons));
    writeFileSync(join(folder, "long.xml"), wordy);
    const lines = reportsText(await read(["long.xml", "maildir"])).split("\n\n")[0]!.split("\n");
    expect(lines.filter((line) => line.length > 400)).toEqual([]);
    expect(lines.find((line) => line.includes("192.0.2.7"))).toMatch(
      /^x{57}\.{3} {2}.*none \(x{51}\.{3} {2}/,
    );
  });

  test("are found in a Maildir, an mbox file and files; what is bad is named and stops nothing", async () => {
    const found = await read(["maildir", "mbox", "report.xml", "missing"]);
    expect(found.reports.map(({ report }) => report.organization)).toEqual(["big.example", "other.example"]);
    expect(found.duplicates).toBe(3);
    expect(found.faults.map(({ source, why }) => `${source.slice(folder.length + 1)}: ${why}`)).toEqual([
      "maildir/new/4: line 1: </fedback> closes nothing",
      "mbox: message 2: line 1: text outside of the document",
      "missing: No such file or directory",
    ]);
  });

  test("are chosen by time and domain", async () => {
    const organizations = async (more: Partial<ReportsRequest>) =>
      (await read(["report.xml", "sub.xml", "mbox"], more)).reports.map(({ report }) => report.policy.domain);
    expect(await organizations({})).toEqual(["example.com", "example.com", "sub.example.com"]);
    expect(await organizations({ domain: "example.com" })).toHaveLength(3);
    expect(await organizations({ domain: "sub.example.com" })).toEqual(["sub.example.com"]);
    expect(await organizations({ domain: "ample.com" })).toEqual([]);
    expect(await organizations({ since: Date.parse("2026-03-06T12:00:00Z") / 1000 })).toEqual([
      "sub.example.com",
    ]);
  });
});
