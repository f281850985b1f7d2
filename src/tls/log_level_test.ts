import { expect, test } from "bun:test";
import { logLevelWarnings, tlsLogParts } from "./log_level.ts";

const parts = (level: string) => [...tlsLogParts(level)].sort();

test("numbers and words, in any case, ask for parts of the log", () => {
  expect(parts("0")).toEqual([]);
  expect(parts("1")).toEqual(["summary"]);
  expect(parts("2")).toEqual(["cache", "summary", "verbose"]);
  expect(parts("Summary, CertMatch")).toEqual(["certmatch", "summary"]);
});

test("a word that means nothing is warned of, and the whole level is as nothing", () => {
  for (const level of ["summary,bogus", "constructor", "17"]) {
    expect(parts(level)).toEqual([]);
    expect(logLevelWarnings("smtpd_tls_loglevel", level)).toEqual([
      `unknown smtpd_tls_loglevel value "${level.replace("summary,", "")}" in "${level}"`,
    ]);
  }
  expect(logLevelWarnings("smtpd_tls_loglevel", "none 1 dane")).toEqual([]);
});
