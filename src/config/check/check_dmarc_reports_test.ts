import { expect, test } from "bun:test";
import { fakeUsers, fakeWorld } from "../../../test/kit/memory/config_world.ts";
import { loadConfiguration } from "../load.ts";
import { printDiagnostic } from "../syntax/diagnostic.ts";

function told(main: string, master = "smtp inet n - n - - smtpd\n"): string[] {
  const world = fakeWorld({
    "/etc/mta/main.cf": `compatibility_level = 3.6\nmyhostname = mx.example.com\n${main}`,
    "/etc/mta/master.cf": master,
  });
  const loaded = loadConfiguration({ directory: "/etc/mta", world, users: fakeUsers });
  const found = loaded.is === "bad" ? loaded.errors : loaded.warnings;
  return found.map(printDiagnostic).filter((text) => text.includes("dmarc"));
}

test("dmarc_reports without anything that is checked is told", () => {
  expect(told("dmarc_reports = yes\n")).toEqual([expect.stringContaining("there is nothing to report")]);
  expect(told("dmarc_reports = yes\nmail_authentication = yes\n")).toEqual([]);
  expect(told("dmarc_reports = yes\n", "smtp inet n - n - - smtpd\n  -o mail_authentication=yes\n")).toEqual(
    [],
  );
  expect(told("dmarc_reports = no\n")).toEqual([]);
});

test("dmarc_report_from is an address with a domain", () => {
  expect(told("dmarc_report_from = postmaster\n")[0]).toContain("bad dmarc_report_from value: postmaster");
  expect(told("dmarc_report_from = dmarc@example.com\n")).toEqual([]);
});
