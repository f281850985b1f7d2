import { expect, test } from "bun:test";
import { accept, refuse } from "./reply.ts";
import { Transcript } from "./transcript.ts";

const WANTED = new Set(["protocol"] as const);

test("a transcript has what was said both ways, and is taken only when something went wrong that is wanted", () => {
  const transcript = new Transcript("server", WANTED);
  const speak = () => {
    transcript.add(accept(250, undefined, "mail.example.com", "DSN"));
    transcript.add("MAIL");
    transcript.add(refuse(501, "5.5.4", "Syntax: MAIL FROM:<address>"));
  };
  speak();
  expect(transcript.take()).toBeUndefined();
  speak();
  transcript.note("policy" as "protocol");
  expect(transcript.take()).toBeUndefined();
  speak();
  transcript.note("protocol");
  transcript.forgive();
  expect(transcript.take()).toBeUndefined();
  speak();
  transcript.note("protocol");
  expect(transcript.length).toBe(4);
  expect(transcript.take()).toEqual({
    classes: new Set(["protocol"]),
    lines: [
      "Out: 250-mail.example.com",
      "Out: 250 DSN",
      "In:  MAIL",
      "Out: 501 5.5.4 Syntax: MAIL FROM:<address>",
    ],
  });
  expect(transcript.length).toBe(0);
});

test("of a client's session the replies came in, as they were", () => {
  const transcript = new Transcript("client", WANTED);
  transcript.note("protocol");
  transcript.add("EHLO x");
  transcript.add({ code: 250, status: "2.0.0", text: "", lines: ["what?", "250 Ok"], garbage: true });
  expect(transcript.take()?.lines).toEqual(["Out: EHLO x", "In:  what?", "In:  250 Ok"]);
});

test("whatever a peer says, a transcript keeps at most a thousand lines and about 64 kB, the last ones", () => {
  for (const line of ["NOOP", "x".repeat(2_000)]) {
    const transcript = new Transcript("server", WANTED);
    transcript.note("protocol");
    for (let i = 0; i < 20_000; i++) {
      transcript.add(`${line} ${i}`);
      transcript.add(accept(250, "2.0.0", "Ok"));
    }
    expect(transcript.length).toBe(40_000);
    const [first = "", ...rest] = transcript.take()!.lines;
    expect(first).toBe(`[${40_000 - rest.length} earlier lines are left out]`);
    expect(rest.length).toBeLessThanOrEqual(1_000);
    expect(rest.join("").length).toBeLessThan(70_000);
    expect(rest.slice(-2)).toEqual([`In:  ${line} 19999`, "Out: 250 2.0.0 Ok"]);
  }
});
