import { expect, test } from "bun:test";
import fc from "fast-check";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import { findKeyEntries, parseKeyEntries } from "./key_table.ts";

const BASE64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
const PEM = `-----BEGIN PRIVATE KEY-----\n${BASE64}\n-----END PRIVATE KEY-----`;

function entries(value: string) {
  const parsed = parseKeyEntries("example.com", value);
  if (typeof parsed === "string") return parsed;
  return parsed.map(({ selector, source }) => `${selector} ${"path" in source ? source.path : source.text}`);
}

test.each([
  ["s1:/etc/keys/a.pem", ["s1 /etc/keys/a.pem"]],
  ["S1:/a.pem, ed:file:/b.pem x.y:/c", ["s1 /a.pem", "ed /b.pem", "x.y /c"]],
  [`s1:${BASE64}`, [`s1 ${PEM}\n`]],
  [`s1:${PEM} s2:/b`, [`s1 ${PEM}`, "s2 /b"]],
  [Buffer.from(`s1:${PEM}\n`).toString("base64"), [`s1 ${PEM}`]],
])("dkim_signing_keys: %j are keys", (value, want) => expect(entries(value)).toEqual(want));

test.each([
  ["", "no key"],
  ["/etc/keys/a.pem", 'expected selector:/path/key.pem instead of "/etc/keys/a.pem"'],
  ["s1:a.pem", 'expected a file from / on, or a key, instead of "s1:a.pem"'],
  ["s_1!:/a", 'expected selector:/path/key.pem instead of "s_1!:/a"'],
  [`s1:${BASE64}!`, 'expected a file from / on, or a key, instead of "s1:MIIEvQIB..."'],
  [`${BASE64}=:s1`, 'expected selector:/path/key.pem instead of "MIIEvQIB...:s1"'],
  [Array.from({ length: 9 }, (_, i) => `s${i}:/k`).join(" "), "more than 8 keys"],
])("dkim_signing_keys: %j is none, and no key is shown", (value, why) => expect(entries(value)).toBe(why));

test("parseKeyEntries() takes any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const parsed = parseKeyEntries("example.com", text);
    expect(typeof parsed === "string" || parsed.length > 0).toBe(true);
  }));
});

test("a domain is looked for, then its parents with a dot, which sign in their own name; patterns see the domain only", async () => {
  const tables = createOpenTables({
    directory: "/nonexistent",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const find = async (spec: string, domain: string) => {
    const found = await findKeyEntries(tables.maps(spec, "dkim_signing_keys")!, domain);
    return found.is === "found"
      ? found.entries.map((each) => each.domain).join()
      : found.is === "trouble"
      ? found.why
      : found.is;
  };
  const table = "inline:{a.example=s:/a, .example=s:/b, x.a.example=s:bad}";
  expect([
    await find(table, "a.example"),
    await find(table, "mail.a.example"),
    await find(table, "example"),
    await find(table, "x.a.example"),
    await find("regexp:{{/^(m|.x)/ s:/c}}", "m.example"),
    await find("regexp:{{/^\\.example/ s:/c}}", "m.example"),
    await find("fail:now", "m.example"),
  ]).toEqual([
    "a.example",
    "example",
    "absent",
    'dkim_signing_keys: entry of x.a.example: expected a file from / on, or a key, instead of "s:bad"',
    "m.example",
    "absent",
    'fail:now lookup error for "m.example": table fail:now: query error: Application error',
  ]);
  tables.close();
});
