import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadConfiguration } from "../../config/load.ts";
import { type Finding, findingOf } from "./finding.ts";
import { ranges, reportLines, summaryLine } from "./report.ts";

const setting = (
  parameter: string,
  line: number,
  severity: Finding["severity"],
  more: Partial<Finding> = {},
): Finding => ({
  severity,
  text: `/etc/main.cf: parameter ${parameter} (line ${line})`,
  consequence: `${parameter} is lost`,
  parameter,
  file: "/etc/main.cf",
  line,
  ...more,
});

const TLS = { feature: "TLS" };
const FINDINGS: readonly Finding[] = [
  setting("biff", 1, "harmless"),
  setting("tls_ciphers", 2, "harmless", TLS),
  setting("Mynetworks", 3, "warning"),
  setting("tls_level", 4, "weaker", TLS),
  setting("tls_cert", 5, "harmless", TLS),
  setting("tls_level", 9, "closed", { ...TLS, file: "/etc/master.cf", service: "smtps/inet" }),
  setting("virtual_mailbox_limit", 7, "closed", { closes: ["virtual/unix"] }),
];

test("the settings of a feature are one line, which the worst of them gives, with the places of all", () => {
  expect(reportLines(FINDINGS, false)).toEqual([
    {
      level: "warning",
      text:
        "closed: tls_level is lost (tls_level and 3 more settings: master.cf line 9; main.cf lines 2, 4-5; services smtps/inet)",
    },
    { level: "fatal", text: "/etc/main.cf: parameter virtual_mailbox_limit (line 7)" },
    { level: "warning", text: "/etc/main.cf: parameter Mynetworks (line 3)" },
  ]);
});

test("config/production, where no certificate is yet: its three services with TLS are one line, with what to do", () => {
  const user = (name: string, uid: number) => ({ name, uid, gid: uid });
  const users = [user("mta", 900), user("nobody", 901)];
  const loaded = loadConfiguration({
    directory: join(import.meta.dirname, "../../../config/production"),
    users: {
      userByName: (name) => users.find((each) => each.name === name),
      userById: (uid) => users.find((each) => each.uid === uid),
      isRoot: true,
    },
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  expect(reportLines(loaded.warnings.map(findingOf), false)).toEqual([{
    level: "warning",
    text: expect.stringMatching(
      /^weaker: No server certs available\. TLS won't be enabled: clients hear 454 at STARTTLS; specify smtpd_tls_chain_files = key\.pem, cert\.pem, or acme_domains \(.*: main\.cf line \d+; master\.cf line \d+\)$/,
    ),
  }]);
});

test("with all of them, each setting is named, and what has no effect and need not have", () => {
  const texts = reportLines(FINDINGS, true).map(({ level, text }) => `${level}: ${text}`);
  expect(texts).toContain("info:   /etc/main.cf: parameter tls_cert (line 5)");
  expect(texts.at(-1)).toBe("info: no effect: /etc/main.cf: parameter biff (line 1)");
});

test("the summary counts lines, not settings", () => {
  expect(summaryLine(FINDINGS).text).toBe(
    "serves, with losses: 2 closed, 1 to look at; 1 setting has no effect and need not have (-v names it)",
  );
  expect(summaryLine([]).text).toBe("serves in full");
  expect(summaryLine([setting("x", 1, "warning")]).text).toBe("serves in full, 1 to look at");
  expect(summaryLine([setting("x", 1, "refused")]).text).toBe("does not start: 1 refused");
});

test("lines in a row are a range", () => {
  expect(ranges([5, 3, 6, 7, 7, 12])).toBe("3, 5-7, 12");
});
