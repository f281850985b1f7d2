import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfiguration } from "../../config/load.ts";
import { printDiagnostic } from "../../config/syntax/diagnostic.ts";
import { fakeUsers, fakeWorld } from "../../../test/kit/memory/config_world.ts";
import { namePatterns } from "./name_patterns.ts";

let directory = "";
beforeAll(() => void (directory = mkdtempSync(join(tmpdir(), "mta-names-"))));
afterAll(() => rmSync(directory, { recursive: true }));

const MASTER = "smtp inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nsmtp unix - - n - - smtp\n";

/** What is found where `rules` is the file that the parameter names. */
function found(rules: string, main = "header_checks = pcre:rules", master = MASTER): string[] {
  const files = {
    [`${directory}/main.cf`]: `compatibility_level = 3.6\n${main}\n`,
    [`${directory}/master.cf`]: master,
  };
  writeFileSync(join(directory, "rules"), rules);
  const loaded = loadConfiguration({ directory, environment: {}, world: fakeWorld(files), users: fakeUsers });
  if (loaded.is === "bad") throw new Error(loaded.errors.map(printDiagnostic).join("\n"));
  return namePatterns(loaded.configuration).map(printDiagnostic).map((text) =>
    text.replaceAll(directory, "DIR")
  );
}

const finding = (check: string, where: string, place: string) =>
  `${check}: ${where} a Received: field with "(Postfix)", as Postfix writes it, but not with "(mta)", as it is written here ` +
  `(${place}; set mail_name = Postfix, or write (Postfix|mta) for the name in the patterns, in those of their IF too)`;

test.each([
  ["^Received:.*by [^ ]+ \\(Postfix\\) with ESMTPSA", "by .* \\(Postfix\\) with"],
  [
    "\\(Postfix, from userid \\d+\\)",
    "^Received: from .*\\(Authenticated sender: .*\\)\\s+by \\S+ \\(Postfix\\)",
  ],
  [
    "^Received: from \\S+ \\(\\S+ \\[10\\.1\\.2\\.3\\]\\)\\s+by \\S+ \\(Postfix\\)",
    "from gw\\.example\\.net .*\\(Postfix\\)",
  ],
])("rules for Postfix's name are found: %s, %s", (one, two) => {
  const rules =
    `# hide\n/^Subject: x/ REJECT\n/${one}/ IGNORE\n/^X-A:/ IGNORE\n/${two}/\n  REPLACE Received: x\n`;
  expect(found(rules)).toEqual([
    finding("header_checks", "lines 3, 5 of pcre:rules match", "DIR/rules, line 3"),
  ]);
});

test("a rule inside IF is found by the client that the condition names", () => {
  const rules = "if /^\\s*Received: from .*rspamd.localhost .*\\(Postfix\\)/\n" +
    "/^Received: from.* (.*|\\n.*)\\((.+) (.+)\\)\\s+by (.+) \\(Postfix\\) with (.*)/\n  REPLACE Received: by $4\nendif\n";
  expect(found(rules)).toEqual([finding("header_checks", "line 2 of pcre:rules matches", "DIR/rules")]);
});

test("tables of the client, of a cleanup entry of its own, and in main.cf itself are tried too", () => {
  const rules = "/\\(Postfix\\)/ IGNORE\n";
  const at = (check: string) => [finding(check, "line 1 of regexp:rules matches", "DIR/rules")];
  expect(found(rules, "smtp_header_checks = regexp:rules")).toEqual(at("smtp_header_checks"));
  expect(found(rules, "body_checks = regexp:rules")).toEqual(at("body_checks"));
  const master = `${MASTER}sub unix n - n - 0 cleanup -o header_checks=regexp:rules\n`;
  expect(found(rules, "", master)).toEqual(at("header_checks"));
  expect(found(rules, "header_checks = regexp:{{/\\(Postfix\\)/ IGNORE}}")).toEqual([
    finding("header_checks", "line 1 of regexp:{{/\\(Postfix\\)/ IGNORE}} matches", "DIR/main.cf"),
  ]);
});

test("a rule for everything but Postfix's name, and one that hides another, are told as they decide", () => {
  expect(found("!/\\(Postfix/ REJECT\n")).toHaveLength(1);
  expect(found("!/\\(Postfix/ REJECT\n")[0]).toContain(
    'matches a Received: field with "(mta)", as it is written here, but not with "(Postfix)", as Postfix writes it',
  );
  expect(found("/^Received:/ IGNORE\n/\\(Postfix\\)/ REJECT\n")).toEqual([]);
});

test.each(
  [
    [
      "no rule has the name",
      "/^Received:.*ESMTPSA/ IGNORE\n/^Received:/ WARN\n/^X-Mailer: Postfix/ IGNORE\n",
      {},
    ],
    ["the name is given", "/\\(Postfix\\)/ IGNORE\n", {
      main: "mail_name = Postfix\nheader_checks = pcre:rules",
    }],
    ["another name is given", "/\\(Postfix\\)/ IGNORE\n", {
      main: "mail_name = x\nheader_checks = pcre:rules",
    }],
    ["every smtpd has the name", "/\\(Postfix\\)/ IGNORE\n", {
      master: MASTER.replace("- smtpd", "- smtpd -o mail_name=Postfix"),
    }],
    ["nobody reads the setting", "/\\(Postfix\\)/ IGNORE\n", {
      main: "",
      master: MASTER.replace("- smtpd", "- smtpd -o header_checks=pcre:rules"),
    }],
    ["the pattern takes both names", "/by \\S+ \\((Postfix|mta)[,)]/ IGNORE\n", {}],
  ] as const,
)("nothing is said where %s", (_, rules, { main, master }: { main?: string; master?: string }) => {
  expect(found(rules, main, master)).toEqual([]);
});
