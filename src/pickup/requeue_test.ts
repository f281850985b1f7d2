import { expect, test } from "bun:test";
import { internalAddress } from "../address/address.ts";
import type { Cleanup, Committed, Submission } from "../cleanup/cleanup.ts";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import { contentOf } from "../../test/kit/memory/memory_store.ts";
import type { Envelope, QueueId } from "../queue/envelope.ts";
import { defer, refuse } from "../smtp/reply.ts";
import { createRequeue } from "./requeue.ts";

const NOW = 1_700_000_000_000;
const OLD = "00000AAAAAAA" as QueueId;
const NEW = "00000BBBBBBB" as QueueId;

const recipient = (address: string, original = address) => ({
  address: internalAddress(address),
  original: internalAddress(original),
  notify: 4,
});

const ENVELOPE: Envelope = {
  id: OLD,
  arrival: NOW - 86_400_000,
  sender: internalAddress("ann@example.org"),
  recipients: [recipient("a@x.example"), recipient("one@y.example", "old@y.example")],
  origin: { clientName: "c.example", saslUsername: "ann" },
  ret: "HDRS",
  envid: "e1",
  smtputf8: true,
  contentFilter: "old:filter",
  hold: true,
  overLimit: true,
  completeHeaders: true,
  kind: "bounce",
};

function requeueing(committed: (id: QueueId) => Committed) {
  const begun: Submission[] = [];
  const [pieces, removed]: [string[], string[]] = [[], []];
  const log = memoryLog();
  const cleanup: Cleanup = {
    begin(submission) {
      begun.push(submission);
      return {
        size: 0,
        write: (bytes) => void pieces.push(Buffer.from(bytes).toString()),
        commit: () => Promise.resolve(committed(submission.id)),
        abort: () => {},
      };
    },
  };
  const requeue = createRequeue({
    cleanup,
    store: { newId: () => NEW, remove: (id) => removed.push(id) > 0 },
    log,
    now: () => NOW,
    settings: { myhostname: "mail.example.com", mail_name: "mta", content_filter: "scan:[127.0.0.1]:10025" },
    uid: 103,
  });
  const message = (pending: readonly number[]) => ({
    envelope: ENVELOPE,
    content: contentOf("A: b\r\n\r\nhi\r\n"),
    pending,
  });
  return { requeue, message, begun, pieces, removed, lines: log.lines };
}

test("sender, open recipients, arrival and origin go in again; filters, holds and age are new", async () => {
  const { requeue, message, begun, pieces, removed, lines } = requeueing((id) => ({
    is: "queued",
    id,
    size: 1,
  }));
  expect(await requeue(message([1]))).toEqual({ is: "done" });
  expect(lines).toEqual([`pickup: ${NEW}: uid=103 from=<ann@example.org> orig_id=${OLD}`]);
  const { prepend, ...submission } = begun[0]!;
  expect(JSON.parse(JSON.stringify(submission))).toEqual({
    id: NEW,
    arrival: ENVELOPE.arrival,
    created: NOW,
    replaces: OLD,
    sender: "ann@example.org",
    recipients: [recipient("one@y.example", "old@y.example")],
    origin: ENVELOPE.origin,
    ret: "HDRS",
    envid: "e1",
    smtputf8: true,
    contentFilter: "scan:[127.0.0.1]:10025",
    completeHeaders: true,
  });
  expect(prepend.join("")).toMatch(
    /^Received: by mail\.example\.com \(mta, from userid 103\)\r\n\tid 00000BBBBBBB; .*\r\n$/,
  );
  expect([pieces, removed]).toEqual([["A: b\r\n\r\nhi\r\n"], [OLD]]);
});

test("a message without recipients goes, one that is refused goes back, one that is put off stays", async () => {
  const nobody = requeueing(() => ({ is: "refused", reply: defer(451, "4.3.0", "x") }));
  expect(await nobody.requeue(nobody.message([]))).toEqual({ is: "done" });
  expect([nobody.begun, nobody.removed]).toEqual([[], [OLD]]);
  const later = requeueing(() => ({ is: "refused", reply: defer(451, "4.3.0", "x") }));
  expect(await later.requeue(later.message([0]))).toEqual({ is: "later" });
  const never = requeueing(() => ({ is: "refused", reply: refuse(550, "5.7.1", "no such words") }));
  expect(await never.requeue(never.message([0]))).toEqual({
    is: "refused",
    detail: { status: "5.7.1", text: "no such words", action: "failed" },
  });
  expect([later.removed, never.removed]).toEqual([[], []]);
});
