import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { splitMessage, textResolver, verifyMessage } from "../../../test/kit/signed_mail.ts";
import { BodyHasher } from "../dkim/body_hasher.ts";
import { parseSigningKey } from "../dkim/signing_key.ts";
import { sealContent } from "./seal_content.ts";

const FIXTURES = join(import.meta.dir, "../../../test/fixtures/arc_test_suite");

interface Scenario {
  readonly description: string;
  readonly tests: Readonly<Record<string, ScenarioTest>>;
  readonly "txt-records": Readonly<Record<string, string>>;
  readonly privatekey?: string;
}

interface ScenarioTest {
  readonly description: string;
  readonly message: string;
  readonly cv?: string;
  readonly "sig-headers"?: string;
  readonly AS?: string;
  readonly AMS?: string;
  readonly AAR?: string;
}

function scenarios(name: string): readonly Scenario[] {
  const read = Bun.YAML.parse(readFileSync(join(FIXTURES, name), "utf8"));
  return (Array.isArray(read) ? read : [read]).filter((one) => one?.tests !== undefined);
}

function resolverOf(scenario: Scenario) {
  const texts = Object.entries(scenario["txt-records"] ?? {}).map((
    [name, text],
  ) => [name, (text ?? "").replaceAll("\n", "")]);
  return textResolver(Object.fromEntries(texts.filter(([, text]) => text !== "")));
}

/** Where this verifier means to differ from the suite. */
const LEFT_OUT = new Map([
  ["ams_fields_c_na", "without c= a signature is simple/simple (RFC 6376 §3.5), and this one is not"],
  ["ams_fields_h_empty", "From is to be signed (RFC 6376 §5.4)"],
]);

const NOW = Date.parse("2018-01-01");

test("ARC chains come to what the public suite says", async () => {
  let [count, differing] = [0, 0];
  for (const scenario of scenarios("validation.yml")) {
    for (const [name, one] of Object.entries(scenario.tests)) {
      const { arc } = await verifyMessage(splitMessage(one.message), resolverOf(scenario), NOW);
      const wanted = one.cv?.toLowerCase() || "fail";
      const got = arc.is;
      count++;
      if (LEFT_OUT.has(name)) differing += wanted === got ? 0 : 1;
      else expect({ name, description: one.description, got, why: arc.why }).toMatchObject({ got: wanted });
    }
  }
  expect({ count, differing }).toEqual({ count: 171, differing: LEFT_OUT.size });
});

/** Tags as the suite has its signers write them: white space only behind semicolons. */
function standard(tags: string): string {
  return tags.replace(/\s+/g, "").replaceAll(";", "; ");
}

test("sets that the public suite says a signer makes hold here", async () => {
  let count = 0;
  for (const scenario of scenarios("signing.yml")) {
    for (const [name, one] of Object.entries(scenario.tests)) {
      if (!one.AS || !one.AMS || !one.AAR) continue; // Nothing is to be added there.
      const { fields, body } = splitMessage(one.message);
      const sets = [
        `ARC-Seal: ${standard(one.AS)}\r\n`,
        `ARC-Message-Signature: ${standard(one.AMS)}\r\n`,
        `ARC-Authentication-Results: ${one.AAR.trimEnd().replaceAll("\n", "\r\n ")}\r\n`,
      ];
      const { arc } = await verifyMessage({ fields: [...sets, ...fields], body }, resolverOf(scenario), NOW);
      const wanted = /cv=fail/.test(one.AS) ? "fail" : "pass";
      expect({ name, is: arc.is, why: arc.why }).toMatchObject({ name, is: wanted });
      count++;
    }
  }
  expect(count).toBe(16);
});

test("sets are added where the public suite adds them, and hold", async () => {
  for (const scenario of scenarios("signing.yml")) {
    const key = parseSigningKey("example.org", "dummy", scenario.privatekey ?? "", 1024);
    if ("fault" in key) throw new Error(key.fault);
    for (const [name, one] of Object.entries(scenario.tests)) {
      const { fields, body } = splitMessage(one.message);
      const { arc } = await verifyMessage({ fields, body }, resolverOf(scenario), NOW);
      const hasher = new BodyHasher("relaxed");
      hasher.push(Buffer.from(body, "latin1"));
      const sealed = sealContent(fields, hasher.digest(), key, {
        arc,
        authenticationResults: "lists.example.org; spf=pass smtp.mailfrom=jqd@d1.example",
        signed: (one["sig-headers"] ?? "").split(":"),
        now: NOW,
      });
      expect({ name, added: sealed !== undefined }).toEqual({ name, added: Boolean(one.AS) });
      if (sealed === undefined) continue;
      expect(sealed[0]).toContain(/cv=\w+/.exec(one.AS ?? "")?.[0] ?? "");
      const again = await verifyMessage({ fields: [...sealed, ...fields], body }, resolverOf(scenario), NOW);
      expect({ name, is: again.arc.is }).toEqual({ name, is: arc.is === "fail" ? "fail" : "pass" });
      expect(again.arc.highest).toBe(arc.highest + 1);
    }
  }
});
