import { expect, test } from "bun:test";
import { parseDkimArguments } from "./_arguments.ts";

const parse = (line: string) => parseDkimArguments(line.split(" "));

test("genkey takes a domain, and makes an RSA key of 2048 bits unless told otherwise", () => {
  const usual = {
    action: "genkey",
    domain: "example.com",
    selector: undefined,
    algorithm: "rsa-sha256",
    bits: 2048,
    directory: undefined,
    json: false,
  } as const;
  expect(parse("genkey Example.COM.")).toEqual(usual);
  expect(parse("genkey --ed25519 --selector S1 --directory /x --json example.com")).toEqual({
    ...usual,
    algorithm: "ed25519-sha256",
    selector: "s1",
    directory: "/x",
    json: true,
  });
  expect(parse("genkey bücher.example")).toMatchObject({ domain: "xn--bcher-kva.example" });
});

test.each([
  ["genkey", "name one domain"],
  ["genkey localhost", 'this is no domain: "localhost"'],
  ["genkey a.example --bits 512", "--bits is 1024 to 4096"],
  ["genkey a.example --bits 2048 --ed25519", "an Ed25519 key has no --bits"],
  ["genkey a.example --selector a/b", 'a selector has letters, digits, dots and hyphens: "a/b"'],
  ["genkey a.example --selector", "--selector needs a value"],
  ["record", "name one file or domain"],
  ["check --bits 2048", "--bits is an option of genkey"],
  ["sign x", 'unknown action: "sign"'],
  ["check --all", 'unknown option: "--all"'],
])("%j is refused", (line, why) => expect(parse(line)).toEqual({ why }));

test("check takes domains, or none", () => {
  expect(parse("check")).toEqual({ action: "check", domains: [], json: false });
  expect(parse("check A.example b.example --json")).toEqual({
    action: "check",
    domains: ["a.example", "b.example"],
    json: true,
  });
});
