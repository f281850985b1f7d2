import { expect, test } from "bun:test";
import fc from "fast-check";
import { reportUris, ruaOf } from "./report_uri.ts";

test("reportUris() reads places and the sizes that they take", () => {
  const read = (rua: string) => reportUris(rua).map(({ address, most }) => [String(address), most]);
  expect(read("mailto:a@example.com")).toEqual([["a@example.com", undefined]]);
  expect(read("mailto:a@example.com!10m , mailto:b@Example.net!50,mailto:c@example.com!2K")).toEqual([
    ["a@example.com", 10 * 2 ** 20],
    ["b@Example.net", 50],
    ["c@example.com", 2048],
  ]);
  expect(read("mailto:a%21b@example.com!1g")).toEqual([["a!b@example.com", 2 ** 30]]);
  expect(read("https://example.com/,mailto:a@example.com!10x,mailto:a b@c,,mailto:ok@example.com")).toEqual([
    ["ok@example.com", undefined],
  ]);
  expect(read(`${"mailto:a@b.example,".repeat(50)}mailto:c@b.example`).length).toBe(2);
  expect(read(Array.from({ length: 50 }, (_, at) => `mailto:${at}@b.example`).join()).length).toBe(10);
  expect(reportUris("mailto:b@Example.net")[0]!.host).toBe("example.net");
});

test("ruaOf() finds the tag in a record", () => {
  expect(ruaOf("v=DMARC1; p=none; rua = mailto:a@b.example ; ruf=mailto:c@b.example")).toBe(
    "mailto:a@b.example",
  );
  expect(ruaOf("v=DMARC1;p=none;RUA=mailto:a@b.example")).toBe("mailto:a@b.example");
  expect(ruaOf("v=DMARC1; p=none; xrua=mailto:a@b.example")).toBe("");
});

test("no text throws, and what is found is one line without controls", () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom("mailto:", ",", "!", "10m", "%0d", "a@b.example", "\r\n"),
  );
  fc.assert(fc.property(fc.array(part), (parts) => {
    for (const { address, host } of reportUris(ruaOf(`v=DMARC1;rua=${parts.join("")}`))) {
      expect(`${address}${host}`).toMatch(/^[\x21-\x7e]+$/);
    }
  }));
});
