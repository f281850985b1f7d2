import { expect, test } from "bun:test";
import type { Finding } from "../../master/check/finding.ts";
import { checkFindings } from "./configuration_check.ts";

const WELL = { tables: "none is older", certificates: "1 in use" };

test("where nothing is found each topic says what is right", () => {
  expect(checkFindings([], WELL).map(({ severity, check, found }) => `${severity} ${check}: ${found}`))
    .toEqual([
      "ok configuration: serves in full",
      "ok tables: none is older",
      "ok certificates: 1 in use",
    ]);
});

test("findings keep their words and grow no worse; what has no effect is for mta check -v", () => {
  const finding = (severity: Finding["severity"], text: string): Finding => ({ severity, text });
  const results = checkFindings([
    {
      topic: "configuration",
      findings: [finding("closed", "a port is closed"), finding("harmless", "biff")],
    },
    {
      topic: "tables",
      findings: [finding(
        "warning",
        "database /etc/x.db is older than source file /etc/x; using the source. To make the index anew: postmap hash:/etc/x",
      )],
    },
    { topic: "certificates", findings: [finding("warning", "cert.pem: expires on 2026-12-01: renew it")] },
    { topic: "configuration", findings: [finding("weaker", "TLS is lost")] },
  ], WELL);
  expect(results).toEqual([
    { severity: "problem", check: "configuration", found: "closed: a port is closed" },
    { severity: "warning", check: "configuration", found: "weaker: TLS is lost" },
    {
      severity: "warning",
      check: "tables",
      found: "database /etc/x.db is older than source file /etc/x; using the source",
      fix: "postmap hash:/etc/x",
    },
    { severity: "warning", check: "certificates", found: "cert.pem: expires on 2026-12-01: renew it" },
  ]);
});
