// Aggregate reports of DMARC between programs: ours are read by dmarc-cat, those that Mail::DMARC writes are read here.
import { afterAll, beforeAll, expect } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportsIn } from "../../../src/mailauth/reports/reports_in.ts";
import { withPeers } from "../../kit/peers.ts";

const GOLDEN = join(import.meta.dir, "report.xml");

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "dmarc-peers-"))));
afterAll(() => rmSync(folder, { recursive: true }));

withPeers(import.meta.path, "dmarc-cat").test("dmarc-cat reads our report, packed and under its name", () => {
  const name = join(folder, "mail.receiver.example!example.com!1772582400!1772668799.xml");
  copyFileSync(GOLDEN, name);
  Bun.spawnSync(["gzip", name]);
  const { exitCode, stdout } = Bun.spawnSync(["dmarc-cat", "-N", `${name}.gz`]);
  const text = String(stdout);
  expect(exitCode).toBe(0);
  expect(text).toContain("Reporting by: Receiver & Sons");
  expect(text).toContain("From 2026-03-04 00:00:00");
  expect(text).toContain("Policy: p=quarantine; dkim=r; spf=s");
  expect(text).toContain("Reports(3):");
  expect(text).toMatch(/^192\.0\.2\.1 +3 +news\.example\.com/m);
});

/** What the module prints; every text has something to escape in it. */
const PROGRAM = String.raw`
use strict; use warnings;
use Mail::DMARC::Policy; use Mail::DMARC::Report::Aggregate; use Mail::DMARC::Report::Aggregate::Record;
my $report = Mail::DMARC::Report::Aggregate->new;
$report->metadata->org_name("Reporter & Co");
$report->metadata->email("dmarc\@reporter.example");
$report->metadata->extra_contact_info("https://reporter.example/?a&b");
$report->metadata->report_id("4711");
$report->metadata->begin(1772582400);
$report->metadata->end(1772668799);
$report->policy_published(Mail::DMARC::Policy->new("v=DMARC1; p=quarantine; sp=none; adkim=s; pct=50"));
$report->policy_published->domain("example.com");
for my $count (3, 4) {
  my $record = Mail::DMARC::Report::Aggregate::Record->new;
  $record->identifiers(header_from => "example.com", envelope_from => "b.example.com", envelope_to => "r.example");
  $record->auth_results->dkim({ domain => "example.com", selector => "s1", result => "fail", human_result => "a&b" });
  $record->auth_results->dkim({ domain => "other.example", selector => "s2", result => "pass" });
  $record->auth_results->spf({ domain => "b.example.com", scope => "mfrom", result => "pass" });
  my $reason = { type => "local_policy", comment => "<list>" };
  $record->row(source_ip => "192.0.2.1", count => $count,
    policy_evaluated => { disposition => "none", dkim => "fail", spf => "pass", reason => [ $reason ] });
  $report->record($record);
}
print $report->as_xml;
`;

withPeers(import.meta.path, "Mail::DMARC").test("a report of Mail::DMARC is read as it was meant", () => {
  const program = join(folder, "report.pl");
  writeFileSync(program, PROGRAM);
  const { stdout, stderr } = Bun.spawnSync(["perl", program]);
  expect(String(stderr)).toBe("");
  const [found] = reportsIn(Buffer.from(Bun.gzipSync(Buffer.from(String(stdout)))));
  const record = (count: number) => ({
    sourceIp: "192.0.2.1",
    count,
    disposition: "none",
    dkim: "fail",
    spf: "pass",
    reasons: [{ type: "local_policy", comment: "<list>" }],
    headerFrom: "example.com",
    envelopeFrom: "b.example.com",
    envelopeTo: "r.example",
    signatures: [
      { domain: "example.com", selector: "s1", result: "fail", detail: "a&b" },
      { domain: "other.example", selector: "s2", result: "pass" },
    ],
    senders: [{ domain: "b.example.com", scope: "mfrom", result: "pass" }],
  });
  expect(found).toMatchObject({
    is: "report",
    report: {
      organization: "Reporter & Co",
      email: "dmarc@reporter.example",
      contact: "https://reporter.example/?a&b",
      id: "4711",
      begin: 1772582400,
      end: 1772668799,
      policy: { domain: "example.com", adkim: "s", p: "quarantine", sp: "none", pct: "50" },
      records: [record(3), record(4)],
    },
  });
});
