import { afterAll, beforeAll, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { loadConfiguration } from "../../config/load.ts";
import { checkSrs } from "./check_srs.ts";

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "srs-"));
  fs.chmodSync(folder, 0o755);
  write("good", "a secret of thirty bytes or so\n", 0o600);
  write("open", "a secret of thirty bytes or so\n", 0o644);
  write("short", "a secret of thirty bytes or so\nshort\n", 0o600);
  write("empty", "\n\r\n", 0o600);
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

function write(name: string, text: string, mode: number): void {
  fs.writeFileSync(path.join(folder, name), text);
  fs.chmodSync(path.join(folder, name), mode);
}

function load(main: string) {
  const texts = {
    main: `myhostname = mail.example.com\n${main.replaceAll("D/", `${folder}/`)}`,
    master: "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n",
    overrides: [],
  };
  return loadConfiguration({ directory: folder, texts });
}

function findings(main: string): string[] {
  const loaded = load(main);
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return checkSrs(loaded.configuration).map(({ severity, text }) =>
    `${severity} ${text.replaceAll(`${folder}/`, "D/")}`
  );
}

test("SRS that is off, or as it should be, has no finding", () => {
  expect(findings("")).toEqual([]);
  expect(findings("srs_domain = srs.example.com\nsrs_secret = file:D/good\n")).toEqual([]);
});

test("a domain without a secret, or with one that cannot be read, is told of", () => {
  const waits =
    "strangers' mail that is to be forwarded waits, and what comes back to srs_domain is told to come later";
  expect(findings("srs_domain = srs.example.com\n")).toEqual([
    `closed D/main.cf: srs_secret is empty: ${waits}`,
  ]);
  expect(findings("srs_domain = srs.example.com\nsrs_secret = file:D/empty, file:D/none, file:here\n"))
    .toEqual([
      `closed D/main.cf, line 3: srs_secret: D/empty: no secret in it: ${waits}`,
      `closed D/main.cf, line 3: srs_secret: D/none: No such file or directory: ${waits}`,
      `closed D/main.cf, line 3: srs_secret: here: a whole path is needed, from / on: ${waits}`,
    ]);
});

test("secrets that others may know are told of", () => {
  const found = findings("srs_domain = srs.example.com\nsrs_secret = file:D/short, file:D/open\n");
  expect(found).toEqual([
    expect.stringContaining(
      "weaker D/main.cf, line 3: srs_secret: a secret of less than 16 bytes in D/short: whoever",
    ),
    expect.stringContaining("D/open: every user of this machine may read it"),
  ]);
  expect(found[1]).toEndWith("chmod o-rwx D/open");
});

test("hashes that are made too short to come back are told of", () => {
  expect(findings("srs_domain = srs.example.com\nsrs_secret = file:D/good\nsrs_hash_minimum = 6\n")).toEqual([
    "closed D/main.cf, line 4: srs_hash_minimum = 6 is more than srs_hash_length = 4: nothing comes back to the addresses that are made here",
  ]);
});

test("bad values are refused with what is right", () => {
  const bad = (main: string) => {
    const loaded = load(main);
    const said = loaded.is === "bad" ? loaded.errors : loaded.warnings;
    return said.filter(({ parameter }) => parameter?.startsWith("srs_")).map(({ level, text }) =>
      `${level} ${text}`
    );
  };
  expect(bad("srs_domain = localhost\n")).toEqual(["fatal bad srs_domain value: localhost"]);
  expect(bad("srs_separator = *\n")).toEqual(["closed bad srs_separator value: *"]);
  expect(bad("srs_hash_length = 3\n")).toEqual(["closed invalid srs_hash_length parameter value 3 < 4"]);
  expect(bad("srs_maximum_age = 1024d\n")[0]).toStartWith("closed invalid srs_maximum_age");
  expect(bad("srs_domain = example.com\nsrs_separator = =\nsrs_hash_length = 27\n")).toEqual([]);
});
