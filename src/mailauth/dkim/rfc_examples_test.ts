import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { splitMessage, textResolver, verifyMessage } from "../../../test/kit/signed_mail.ts";
import { parseSigningKey, publicRecord } from "./signing_key.ts";

const FIXTURES = join(import.meta.dir, "../../../test/fixtures/dkim");

function example(name: string) {
  const records = readFileSync(join(FIXTURES, `${name}.dns`), "latin1").trim().split("\n").map((line) => {
    const blank = line.indexOf(" ");
    return [line.slice(0, blank), line.slice(blank + 1)];
  });
  const message = splitMessage(readFileSync(join(FIXTURES, `${name}.msg`), "latin1"));
  return verifyMessage(message, textResolver(Object.fromEntries(records)), Date.parse("2018-06-10"));
}

test("the signed message of RFC 6376 appendix A.2 passes", async () => {
  const { dkim } = await example("rfc6376");
  expect(dkim).toEqual([{
    is: "pass",
    domain: "example.com",
    selector: "brisbane",
    identity: "joe@football.example.com",
    algorithm: "rsa-sha256",
    keyBits: 1024,
    b: "AuUoFEfD",
    testing: false,
  }]);
});

test("both signatures of RFC 8463 appendix A.3 pass", async () => {
  const { dkim } = await example("rfc8463");
  expect(dkim.map(({ is, algorithm, keyBits }) => ({ is, algorithm, keyBits }))).toEqual([
    { is: "pass", algorithm: "ed25519-sha256", keyBits: 256 },
    { is: "pass", algorithm: "rsa-sha256", keyBits: 1024 },
  ]);
});

test("the private key of RFC 8463 appendix A.2 has the public key of A.2", () => {
  const seed = Buffer.from("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", "base64");
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]).toString(
    "base64",
  );
  const pem = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
  const key = parseSigningKey("football.example.com", "brisbane", pem);
  if ("fault" in key) throw new Error(key.fault);
  expect(publicRecord(key)).toBe("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
});
