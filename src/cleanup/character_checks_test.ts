import { expect, test } from "bun:test";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import type { Cleanup, Committed, Submission } from "./cleanup.ts";
import { withCharacterChecks } from "./character_checks.ts";

const SUBMISSION = {
  id: "4ABC",
  sender: "a@a.example",
  recipients: [{ address: "b@b.example", original: "b@b.example" }],
  origin: { clientName: "unknown", clientAddress: "192.0.2.7", protocol: "ESMTP", helo: "x" },
  prepend: ["Received: from x\u0001y\r\n"],
} as unknown as Submission;

/** What cleanup gets of content that comes in these pieces, and what is answered. */
async function through(
  rejected: string,
  stripped: string,
  pieces: readonly string[],
  more: Partial<Submission> = {},
) {
  let content = "";
  let aborted = false;
  const cleanup: Cleanup = {
    begin: (submission) => {
      content = submission.prepend.join("");
      return {
        size: 0,
        write: (bytes) => void (content += Buffer.from(bytes).toString("latin1")),
        commit: (): Promise<Committed> => Promise.resolve({ is: "queued", id: submission.id, size: 0 }),
        abort: () => void (aborted = true),
      };
    },
  };
  const settings = {
    message_reject_characters: rejected,
    message_strip_characters: stripped,
    receive_override_options: "",
  };
  const log = memoryLog();
  const message = withCharacterChecks(cleanup, settings, log).begin({ ...SUBMISSION, ...more });
  for (const piece of pieces) await message.write(Buffer.from(piece, "latin1"));
  return { content, aborted, committed: await message.commit(), size: message.size, lines: log.lines };
}

test("characters are taken out of headers, those on top too, and body, whatever the pieces", async () => {
  const { content, committed, size } = await through("", "\\0\\001x", [
    "Subject: sx\0t\r\n\r",
    "\nax",
    "\0b\r\n",
  ]);
  expect(content).toBe("Received: from y\r\nSubject: st\r\n\r\nab\r\n");
  expect(committed.is).toBe("queued");
  expect(size).toBe("Subject: sx\0t\r\n\r\nax\0b\r\n".length);
});

test("a message with a character that none may have is refused, and nothing of it is kept", async () => {
  const { aborted, committed, lines } = await through("\\0", "", [
    "Subject: s\r\n\r\n",
    "one\r\ntw\0o\r\n",
    "three",
  ]);
  expect(aborted).toBe(true);
  expect(committed).toEqual({
    is: "refused",
    reply: { code: 550, status: "5.7.1", lines: ["disallowed character"], errorClass: "policy" },
  });
  expect(lines).toEqual([
    "cleanup: 4ABC: reject: content tw?o from unknown[192.0.2.7]; from=<a@a.example> to=<b@b.example> " +
    "proto=ESMTP helo=<x>: 5.7.1 disallowed character",
  ]);
});

test("mail that is made here passes", async () => {
  const { content, committed } = await through("b", "x", ["abx"], { kind: "bounce" });
  expect([content, committed.is]).toEqual(["Received: from x\u0001y\r\nabx", "queued"]);
});
