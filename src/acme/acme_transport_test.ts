import { expect, test } from "bun:test";
import { problemIn } from "./acme_transport.ts";
import { failureOf } from "./advice.ts";
import { CHALLENGE_PATH, Challenges } from "./challenges.ts";

const NAMESPACE = "urn:ietf:params:acme:error:";
const said = (type: string, more: object = {}) =>
  JSON.stringify({ type: `${NAMESPACE}${type}`, detail: "as it is", ...more });

test("each failure that an authority tells says what to change", () => {
  const text = (type: string) => failureOf({ ...problemIn(said(type))!, name: "mx.example.com" }).message;
  expect(text("dns")).toMatch(
    /^mx\.example\.com: as it is; the authority does not find mx\.example\.com in the DNS: give it an A or AAAA record/,
  );
  expect(text("connection")).toContain("open port 80 on the way here");
  expect(text("unauthorized")).toContain("another server answers at port 80 of mx.example.com");
  expect(text("caa")).toContain("a CAA record of mx.example.com");
  expect(text("rateLimited")).toContain("it is tried again when that is over");
  expect(text("serverInternal")).toBe("mx.example.com: as it is");
});

test("subproblems say it more exactly, and name the name", () => {
  const subproblems = [
    JSON.parse(said("rejectedIdentifier", { identifier: { type: "dns", value: "bad.example" } })),
  ];
  expect(problemIn(said("compound", { subproblems }))).toEqual({
    type: `${NAMESPACE}rejectedIdentifier`,
    detail: "as it is",
    name: "bad.example",
  });
});

test("what an authority says is one line of bounded length, or nothing", () => {
  const long = problemIn(said("dns", { detail: `a\r\nb\u0000${"x".repeat(5000)}` }))!.detail;
  expect(long).toMatch(/^a b\?x+$/);
  expect(long.length).toBe(500);
  for (const junk of ["", "no JSON", "7", "null", "[]", "{}", '{"type":7}']) {
    expect(problemIn(junk)).toBeUndefined();
  }
});

test("a proof is answered while it is needed, and nothing else is", async () => {
  const heard: unknown[] = [];
  const challenges = new Challenges((token, answer) => void heard.push([token, answer]));
  const ask = async (path: string) => {
    const response = challenges.respond(new Request(`http://mail.example.com${path}`));
    return [response.status, await response.text()];
  };
  challenges.add("tok-en_1", "tok-en_1.thumb");
  challenges.add("../etc", "no token");
  expect(await ask(`${CHALLENGE_PATH}tok-en_1`)).toEqual([200, "tok-en_1.thumb"]);
  for (
    const path of ["/", CHALLENGE_PATH, `${CHALLENGE_PATH}other`, `/x${CHALLENGE_PATH}tok-en_1`, "/tok-en_1"]
  ) {
    expect((await ask(path))[0]).toBe(404);
  }
  challenges.remove("tok-en_1");
  expect((await ask(`${CHALLENGE_PATH}tok-en_1`))[0]).toBe(404);
  expect(heard).toEqual([["tok-en_1", "tok-en_1.thumb"], ["tok-en_1", undefined]]);
  for (let n = 0; n < 1000; n++) challenges.add(`t${n}`, "a");
  expect(heard.length).toBeLessThan(110);
});
