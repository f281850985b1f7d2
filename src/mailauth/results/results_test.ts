import { expect, test } from "bun:test";
import fc from "fast-check";
import type { AuthResult } from "../auth_result.ts";
import { claimsToBeOurs } from "./own_results.ts";
import { parseResults } from "./parse_results.ts";
import { printResults, resultsField, wireResults } from "./results_field.ts";

const OURS = "mx.example.com";

test.each([
  ["mx.example.com", true],
  ["MX.Example.COM", true],
  ["mx.example.com.", true],
  ['"mx.example.com"', true],
  ['"mx\\.example.com"', true],
  ["(a comment (in one)) mx.example.com (v=1)", true],
  ["\r\n\tmx.example.com\r\n\t", true],
  ["\r\n\t(x)\r\n\tmx.example.com 1", true],
  ["mx.example.com 2", true],
  ["mx.example.com/4711", true],
  ["mx.example.com\x00", true],
  // Nobody can tell whose these are.
  ["", true],
  ["(never closed mx.example.org", true],
  ['"never closed', true],
  // Readers that are not particular read ours.
  ["mx.(x)example.com", true],
  ["m(x)x.example.com", true],
  ['mx."example".com', true],
  ["mx.\r\n example.com", true],
  ["<mx.example.com>", true],
  ["mx.example.com,", true],
  ["mx.example.com\xc2\xa0", true],
  ["=?utf-8?q?mx=2Eexample=2Ecom?=", true],
  ["mx.example.com1.example", false],
  ["mx.example.com-x.example", false],
  ["spf=pass (x) smtp.mailfrom=mx.example.com", false],
  ["mx.example.org", false],
  ["amx.example.com", false],
  ["mx.example.com.evil.example", false],
  ["mx.example.org (mx.example.com)", false],
])("claimsToBeOurs() of id %j", (id, ours) => {
  expect(claimsToBeOurs(`Authentication-Results: ${id}; dkim=pass header.d=bank.example\r\n`, OURS)).toBe(
    ours,
  );
  expect(claimsToBeOurs(`AUTHENTICATION-results \t:${id};dkim=pass\r\n`, OURS)).toBe(ours);
});

test("claimsToBeOurs() of other fields", () => {
  for (const name of ["X-Authentication-Results", "ARC-Authentication-Results", "Subject"]) {
    expect(claimsToBeOurs(`${name}: mx.example.com; dkim=pass\r\n`, OURS)).toBe(false);
  }
});

test.each([
  ["mx.example.com; none", []],
  ["mx.example.com 1; none", []],
  ["mx.example.com;\r\n\tspf=pass smtp.mailfrom=example.net", [
    { method: "spf", result: "pass", properties: [{ type: "smtp", name: "mailfrom", value: "example.net" }] },
  ]],
  // RFC 8601 appendix B.
  [
    "example.com;\r\n  dkim=pass (good signature) header.d=example.com;\r\n  auth=pass (cram-md5) smtp.auth=sender@example.net;",
    [
      { method: "dkim", result: "pass", properties: [{ type: "header", name: "d", value: "example.com" }] },
      {
        method: "auth",
        result: "pass",
        properties: [{ type: "smtp", name: "auth", value: "sender@example.net" }],
      },
    ],
  ],
  [
    'example.com; dkim=fail reason="bad signature" header.i=@mail-router.example.net',
    [{
      method: "dkim",
      result: "fail",
      reason: "bad signature",
      properties: [{ type: "header", name: "i", value: "@mail-router.example.net" }],
    }],
  ],
  [
    "foo.example.net (foobar) 1 (baz);\r\n   dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n" +
    "     policy (A dot can go here) . (like that) expired\r\n     (this surprised me) = (as I wasn't expecting it) 1362471462",
    [{
      method: "dkim",
      result: "fail",
      properties: [{ type: "policy", name: "expired", value: "1362471462" }],
    }],
  ],
] as [string, AuthResult[]][])("parseResults(%j)", (text, results) => {
  expect(parseResults(text)?.results).toEqual(results);
});

test.each([
  "",
  ";",
  "mx.example.com; dkim",
  "mx.example.com 2; none",
  "a b; none",
  "x; spf=pass (open",
  "x; =pass",
])(
  "parseResults(%j) is nothing",
  (text) => expect(parseResults(text)).toBeUndefined(),
);

test("printResults() folds, quotes, and says who it is", () => {
  const results: AuthResult[] = [
    {
      method: "spf",
      result: "fail",
      comment: "example.com: -all (no)",
      properties: [{ type: "smtp", name: "mailfrom", value: '"a b"@example.com' }],
    },
    {
      method: "dkim",
      result: "pass",
      reason: 'because "so"',
      properties: [
        { type: "header", name: "d", value: "a-rather-long-domain.example.com" },
        { type: "header", name: "i", value: "ann@example.com" },
        { type: "header", name: "b", value: "ab+/cd==" },
      ],
    },
  ];
  expect(`Authentication-Results: ${printResults("mx.example.com", results)}\r\n`).toBe(
    "Authentication-Results: mx.example.com;\r\n" +
      '\tspf=fail (example.com: -all [no]) smtp.mailfrom="\\"a b\\"@example.com";\r\n' +
      '\tdkim=pass reason="because \\"so\\""\r\n' +
      "\t header.d=a-rather-long-domain.example.com header.i=ann@example.com\r\n" +
      '\t header.b="ab+/cd=="\r\n',
  );
  expect(printResults("mx.example.com", [])).toBe("mx.example.com; none");
});

const text = fc.string({ unit: "binary", maxLength: 400 });
const result: fc.Arbitrary<AuthResult> = fc.record({
  method: fc.constantFrom("spf", "dkim", "dmarc", "arc"),
  result: fc.constantFrom("pass", "fail", "none"),
  comment: text,
  reason: text,
  properties: fc.array(
    fc.record({
      type: fc.constantFrom("smtp", "header", "policy"),
      name: fc.constantFrom("d", "mailfrom", "oldest-pass"),
      value: fc.oneof(text, fc.constantFrom("a@b.example", "@x", "a/b", '"', "\\")),
    }),
    { maxLength: 5 },
  ),
}, { requiredKeys: ["method", "result", "properties"] });

/** As it is printed: cut, and without control characters. */
const shown = (value: string) => value.slice(0, 300).replace(/[\x00-\x1f\x7f]/g, "?");

test("what printResults() prints is one field, and parseResults() reads what was meant", () => {
  fc.assert(fc.property(fc.array(result, { maxLength: 6 }), text.filter((id) => id !== ""), (results, id) => {
    const printed = printResults(id, results);
    expect(printed.replaceAll(/\r\n\t/g, "")).not.toMatch(/[\x00-\x1f\x7f]/);
    expect(parseResults(printed)).toEqual({
      authservId: shown(id),
      results: results.map(({ method, result, reason, properties }) => ({
        method,
        result,
        ...(reason !== undefined && { reason: shown(reason) }),
        properties: properties.map((each) => ({ ...each, value: shown(each.value) })),
      })),
    });
    expect(claimsToBeOurs(resultsField(wireResults(id, results, true)), shown(id))).toBe(true);
    expect(wireResults(id, results, false)).toMatch(/^[\x00-\x7f]*$/);
  }));
});

const piece = fc.oneof(
  fc.constantFrom(
    "mx.example.com",
    ";",
    "=",
    "dkim",
    "pass",
    "(",
    ")",
    '"',
    "\\",
    "\r\n\t",
    " ",
    "header",
    ".",
    "d",
    "/",
    "1",
  ),
  fc.string({ unit: "binary", maxLength: 5 }),
);

test("parseResults() and claimsToBeOurs() answer whatever comes", () => {
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
    const value = pieces.join("");
    const parsed = parseResults(value);
    const wire = Buffer.from(value, "utf8").toString("latin1");
    const claims = claimsToBeOurs(`Authentication-Results: ${wire}\r\n`, parsed?.authservId ?? OURS);
    // Whatever anybody could read as ours is removed.
    if (parsed !== undefined) expect(claims).toBe(true);
  }));
});

test("parseResults() of deep and long fields is done in proportion", () => {
  expect(parseResults(`x ${"(".repeat(100_000)}`)).toBeUndefined();
  expect(parseResults(`x${"; a=b".repeat(100_000)}`)).toBeUndefined();
  expect(parseResults(`x; a=b${" header.d=e".repeat(100_000)}`)).toBeUndefined();
  expect(claimsToBeOurs(`Authentication-Results: ${"(x) ".repeat(100_000)}mx.example.com;`, OURS)).toBe(true);
});
