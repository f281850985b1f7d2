import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isMxPattern, matchesMxPattern } from "./mx_pattern.ts";
import { LONGEST_AGE, parseStsPolicy, printStsPolicy, type StsPolicy } from "./sts_policy.ts";
import { printStsRecord, stsRecordId } from "./sts_record.ts";

describe("the record of _mta-sts", () => {
  const rows: readonly (readonly [readonly string[], string | undefined, string])[] = [
    [["v=STSv1; id=20160831085700Z;"], "20160831085700Z", "as in RFC 8461"],
    [["v=STSv1;id=1"], "1", "without blanks and final delimiter"],
    [["v=STSv1 \t; \tid=a1 ; x=y"], "a1", "blanks around delimiters, another field"],
    [["v=spf1 -all", "v=STSv1; id=2;", "google-site"], "2", "other records do not count"],
    [["v=STSv1; id=1;", "v=STSv1; id=2;"], undefined, "two records are none"],
    [["v=STSv1; id=1;", "v=STSv2; id=2;"], "1", "another version does not count"],
    [["v=stsv1; id=1;"], undefined, "the version is case-sensitive"],
    [[" v=STSv1; id=1;"], undefined, "the version comes first"],
    [["v=STSv1"], undefined, "no field"],
    [["v=STSv1;"], undefined, "no id"],
    [["v=STSv1; ID=1;"], undefined, "the key is case-sensitive"],
    [["v=STSv1; id=1; id=2;"], undefined, "two ids"],
    [["v=STSv1; id=;"], undefined, "an empty id"],
    [["v=STSv1; id=a-b;"], undefined, "an id is letters and digits"],
    [[`v=STSv1; id=${"a".repeat(33)};`], undefined, "an id has 32 characters at most"],
    [["v=STSv1; id=1;; x=1"], undefined, "an empty field"],
    [[], undefined, "nothing"],
  ];
  for (const [texts, id, name] of rows) test(name, () => expect(stsRecordId(texts)).toBe(id));

  test("a printed record is read back", () => {
    fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9]{1,32}$/), (id) => {
      expect(stsRecordId([printStsRecord(id)])).toBe(id);
    }));
  });

  test("no text throws", () => {
    fc.assert(fc.property(fc.array(fc.string()), fc.string(), (texts, rest) => {
      stsRecordId([...texts, `v=STSv1;${rest}`]);
    }));
  });
});

describe("a policy", () => {
  const text = (...lines: string[]) => lines.join("\n");
  const problem = (...lines: string[]) => {
    const read = parseStsPolicy(text(...lines));
    return "problem" in read ? read.problem : undefined;
  };

  test("RFC 8461's example, with CR LF, LF and no final line end", () => {
    const lines = [
      "version: STSv1",
      "mode: enforce",
      "mx: mail.example.com",
      "mx: *.example.net",
      "mx: backupmx.example.com",
      "max_age: 604800",
    ];
    const want: StsPolicy = {
      mode: "enforce",
      mx: ["mail.example.com", "*.example.net", "backupmx.example.com"],
      maxAge: 604_800,
    };
    expect(parseStsPolicy(lines.join("\r\n") + "\r\n")).toEqual(want);
    expect(parseStsPolicy(lines.join("\n"))).toEqual(want);
    expect(parseStsPolicy(lines.toReversed().join("\n") + "\n\n").valueOf()).toMatchObject({
      maxAge: 604_800,
    });
  });

  test("unknown keys are passed over, of a repeated key the first counts, blanks at the end go", () => {
    expect(parseStsPolicy(text(
      "version: STSv1  ",
      "mode:testing",
      "mode: enforce",
      "x-new.key_1: whatever: it is",
      "MX: not.this",
      "mx: MX1.Example.com\t",
      "max_age:\t86400",
      "max_age: 1",
    ))).toEqual({ mode: "testing", mx: ["mx1.example.com"], maxAge: 86_400 });
  });

  test("mode none needs no mx", () => {
    expect(parseStsPolicy(text("version: STSv1", "mode: none", "max_age: 0"))).toEqual({
      mode: "none",
      mx: [],
      maxAge: 0,
    });
  });

  test("what is wrong is said", () => {
    const good = ["version: STSv1", "mode: enforce", "mx: a.example"];
    expect(problem("")).toBe("version is missing, not STSv1");
    expect(problem("version: STSv2")).toBe('version is "STSv2", not STSv1');
    expect(problem("version: STSv1", "mode: Enforce")).toBe(
      'mode is "Enforce", not enforce, testing or none',
    );
    expect(problem(...good)).toBe("max_age is missing, not a number of seconds up to 31557600");
    expect(problem(...good, "max_age: 31557601")).toContain("max_age is");
    expect(problem(...good, `max_age: ${LONGEST_AGE}`)).toBeUndefined();
    expect(problem(...good, "max_age: -1")).toContain("max_age is");
    expect(problem(...good, "max_age: 1e3")).toContain("max_age is");
    expect(problem("version: STSv1", "mode: testing", "max_age: 1")).toBe("mx is missing");
    expect(problem(...good, "max_age: 1", "mx: a.*.example")).toBe('mx "a.*.example" is no host name');
    expect(problem(...good, "max_age: 1", "<html>")).toBe('bad line "<html>"');
    expect(problem("<!DOCTYPE html>")).toContain("bad line");
  });

  test("what is printed is read back", () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
    const pattern = fc.tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 4 }))
      .map(([wild, labels]) => `${wild ? "*." : ""}${labels.join(".")}`);
    const policy = fc.record({
      mode: fc.constantFrom("enforce", "testing", "none"),
      mx: fc.array(pattern, { minLength: 1, maxLength: 8 }),
      maxAge: fc.integer({ min: 0, max: LONGEST_AGE }),
    });
    fc.assert(fc.property(policy, (one) => {
      expect(parseStsPolicy(printStsPolicy(one as StsPolicy))).toEqual(one as StsPolicy);
    }));
  });

  test("any bytes are a policy or a problem", () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom("version: STSv1", "mode: enforce", "mx: a.b", "max_age: 1", "\r", " "),
    );
    fc.assert(fc.property(fc.array(line), (lines) => {
      const read = parseStsPolicy(lines.join("\n"));
      if (!("problem" in read)) expect(read.mx.every(isMxPattern)).toBeTrue();
    }));
  });
});

describe("an mx pattern", () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["mail.example.com", "mail.example.com", true],
    ["mail.example.com", "MAIL.Example.com.", true],
    ["mail.example.com", "xmail.example.com", false],
    ["*.example.com", "mail.example.com", true],
    ["*.example.com", "example.com", false],
    ["*.example.com", "a.b.example.com", false],
    ["*.example.com", ".example.com", false],
    ["*.example.com", "mail.example.com.evil.example", false],
    ["*.com", "example.com", true],
    ["example.com", "mail.example.com", false],
  ];
  for (const [pattern, host, want] of rows) {
    test(`${pattern} ${want ? "means" : "does not mean"} ${host}`, () =>
      expect(matchesMxPattern(pattern, host)).toBe(want));
  }

  test("* stands for one label only, the left-most", () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    fc.assert(fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), label, (labels, more) => {
      const name = labels.join(".");
      expect(matchesMxPattern(`*.${name}`, `${more}.${name}`)).toBeTrue();
      expect(matchesMxPattern(`*.${name}`, `${more}.${more}.${name}`)).toBeFalse();
      expect(matchesMxPattern(`*.${name}`, name)).toBe(false);
      expect(isMxPattern(`${more}.*.${name}`)).toBeFalse();
    }));
  });

  test("is letters, digits and hyphens", () => {
    for (const bad of ["", "*", "*.", "*.*.a", "a_b.c", "-a.b", "a-.b", "a..b", "a.", "ä.example", "a b"]) {
      expect([bad, isMxPattern(bad)]).toEqual([bad, false]);
    }
  });
});
