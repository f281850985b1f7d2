import { expect, test } from "bun:test";
import fc from "fast-check";
import type { QueueRow } from "../../master/control/queue_rows.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { ListingJson } from "./_listing_json.ts";
import { MailqText } from "./_mailq_text.ts";
import { MessageRecords } from "./postcat/_message_records.ts";
import { PostcatText } from "./postcat/_postcat_text.ts";
import { readPostqueueOptions } from "./_postqueue_options.ts";
import { QshapeCounts } from "./_qshape_counts.ts";
import { qshapeTable } from "./_qshape_table.ts";
import { isQueueFile, queueFileRecords } from "./postcat/_queue_file.ts";
import type { QueueFileRecord } from "./postcat/_record_types.ts";
import { whyText } from "./_why_text.ts";

const ID = "4jdSlj012DzNTSLD" as QueueId;
const ARRIVAL = new Date(2026, 10, 3, 15, 16, 30).getTime();

function row(more: Partial<QueueRow> = {}): QueueRow {
  return {
    id: ID,
    queue: "deferred",
    arrival: ARRIVAL,
    size: 335,
    sender: "ann@example.org",
    forcedExpire: false,
    recipients: [{ address: "bob@example.com" }],
    ...more,
  };
}

const texts = (longIds: boolean) => new MailqText({ longIds, nobody: "MAILER-DAEMON" });
const why = (address: string, reason?: string) => ({ address, ...(reason !== undefined && { why: reason }) });

test("a listing has Postfix's columns, for short ids and for long ones", () => {
  const short = texts(false);
  expect(short.row(row({ id: "955BE244929A" as QueueId })) + short.end()).toBe(
    "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n" +
      "955BE244929A     335 Tue Nov  3 15:16:30  ann@example.org\n" +
      "                                         bob@example.com\n\n" +
      "-- 0 Kbytes in 1 Request.\n",
  );
  const long = texts(true);
  expect(long.row(row({ size: 5000, queue: "hold", forcedExpire: true })) + long.row(row()) + long.end())
    .toBe(
      "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n" +
        "4jdSlj012DzNTSLD!#     5000 Tue Nov  3 15:16:30 ann@example.org\n" +
        "                                               bob@example.com\n\n" +
        "4jdSlj012DzNTSLD       335 Tue Nov  3 15:16:30 ann@example.org\n" +
        "                                               bob@example.com\n\n" +
        "-- 5 Kbytes in 2 Requests.\n",
    );
});

test("a reason comes once for all that share it, and its absence is said behind others", () => {
  const text = texts(false);
  const recipients = [why("a@x", "full"), why("b@x", "full"), why("c@x"), why("d@x", "é".repeat(40))];
  const lines = text.row(row({ recipients })).split("\n").slice(2).map((line) => line.trim());
  expect(lines).toEqual([
    "(full)",
    "a@x",
    "b@x",
    "(reason unavailable)",
    "c@x",
    `(${"é".repeat(40)})`,
    "d@x",
    "",
  ]);
  // The same message goes on in another row.
  expect(text.row(row({ continued: true, recipients: [why("e@x", "é".repeat(40))] })).trim()).toBe("e@x");
  // The width counts bytes.
  expect(texts(false).row(row({ recipients: [why("a@x", "é".repeat(30))] })).split("\n")[2]).toBe(
    `${" ".repeat(16)}(${"é".repeat(30)})`,
  );
});

test("whatever stands in addresses and reasons, a listing has a line for each and no control characters", () => {
  const hostile = fc.string({
    unit: fc.constantFrom("a", '"', "\\", "\n", "\r", "\x1b", "\0", "\x7f", "\x9b", "é", "@", " "),
  });
  fc.assert(fc.property(hostile, hostile, hostile, (sender, address, reason) => {
    const one = row({ sender, recipients: [{ address, why: reason, status: reason, original: sender }] });
    const text = texts(false);
    const shown = text.row(one);
    expect(shown.split("\n").length).toBe(reason === "" ? 4 : 5);
    expect(shown.replaceAll("\n", "")).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    for (const more of [false, true]) {
      const json = new ListingJson({ nobody: "MAILER-DAEMON", more });
      const line = json.row(one) + json.end();
      expect(line).toMatch(/^[^\x00-\x1f\x7f-\x9f]*\n$/);
      expect(JSON.parse(line).recipients).toHaveLength(1);
    }
    const counts = new QshapeCounts(
      { bySender: false, parents: true, buckets: 3, minutes: 5, linear: false },
      ARRIVAL,
    );
    counts.add(one);
    const table = qshapeTable(counts.rows(1), {
      bySender: false,
      parents: true,
      buckets: 3,
      minutes: 5,
      linear: false,
    }, 80);
    expect(table.replaceAll("\n", "")).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    const told = whyText({
      ...one,
      expires: ARRIVAL,
      requeue: false,
      waiting: 1,
      recipients: [{ address, status: reason, why: reason }],
      active: {
        since: 0,
        destinations: [{
          transport: sender,
          nexthop: address,
          withAgent: 1,
          waiting: 1,
          running: 1,
          limit: 1,
        }],
      },
    }, { nobody: "MAILER-DAEMON", now: ARRIVAL });
    expect(told.replaceAll("\n", "")).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
  }));
});

test("rows of a message with many recipients make one object, and -j says no more than Postfix's", () => {
  const json = new ListingJson({ nobody: "MAILER-DAEMON", more: false });
  const out = json.row(row({ sender: "" })) +
    json.row(row({ continued: true, recipients: [why("c@x", 'a "q"')] })) +
    json.row(row({ recipients: [] })) + json.end();
  const lines = out.trimEnd().split("\n");
  expect(lines[0]).toBe(
    `{"queue_name": "deferred", "queue_id": "${ID}", "arrival_time": ${
      ARRIVAL / 1000
    }, "message_size": 335, ` +
      '"forced_expire": false, "sender": "MAILER-DAEMON", "recipients": [{"address": "bob@example.com"}, ' +
      '{"address": "c@x", "delay_reason": "a \\"q\\""}]}',
  );
  expect(lines).toHaveLength(2);
});

/** A message as a queue file, in postcat's records and back. */
function recordsOf(content: string, cut: number): QueueFileRecord[] {
  const out: QueueFileRecord[] = [];
  const records = new MessageRecords((record) => out.push(record) > 0);
  records.envelope({
    envelope: { id: ID, arrival: ARRIVAL, sender: "" as never, origin: {} },
    size: 1,
    recipients: 0,
  });
  records.beginContent();
  for (let at = 0; at < content.length; at += cut) {
    records.content(Buffer.from(content.slice(at, at + cut), "latin1"));
  }
  records.end();
  return out;
}

test("the records of a message say its content again, wherever that is cut, and lie where a queue file has them", () => {
  const line = fc.oneof(
    fc.string({ maxLength: 20 }).map((text) => text.replace(/[^ -~]/g, "")),
    fc.constant("x".repeat(5000)),
  );
  fc.assert(
    fc.property(fc.array(line), fc.integer({ min: 1, max: 5000 }), (lines, cut) => {
      const records = recordsOf(lines.map((each) => `${each}\r\n`).join(""), cut);
      const from = records.findIndex(({ type }) => type === 77) + 1;
      const text = records.slice(from, -2).map(({ type, data }) =>
        data.toString("latin1") + (type === 78 ? "\n" : "")
      ).join("");
      expect(text).toBe(lines.map((each) => `${each}\n`).join(""));
      // Written down they are a queue file, and read they are the same.
      const bytes = Buffer.concat(records.map(({ type, data }) => {
        const length: number[] = [];
        let left = data.length;
        do length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0)); while ((left >>>= 7) > 0);
        return Buffer.concat([Buffer.from([type, ...length]), data]);
      }));
      expect(isQueueFile(bytes)).toBe(true);
      const again = [...queueFileRecords(bytes, { from: 0, raw: false })];
      expect(again.map(({ offset, type }) => [offset, type])).toEqual(
        records.map(({ offset, type }) => [offset, type]),
      );
    }),
    { numRuns: 50 },
  );
});

test("a queue file that is none, is cut, or points in circles ends with words, not with a crash or without end", () => {
  const read = (
    bytes: readonly number[],
  ) => [...queueFileRecords(Buffer.from(bytes), { from: 0, raw: false })];
  expect(isQueueFile(Buffer.from("hello"))).toBe(false);
  expect(() => read([0x53, 5, 0x61])).toThrow("record read error");
  expect(() => read([0x53, 0xff, 0xff, 0xff, 0xff, 0xff])).toThrow("record read error");
  expect(() => read([0x70, 1, 0x78])).toThrow("bad pointer record");
  expect(() => read([0x53, 0, 0x70, 1, 0x32])).toThrow("too many reverse jump records");
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const text = new PostcatText(
      {
        envelope: true,
        header: true,
        body: true,
        offsets: true,
        types: true,
        verbose: true,
        raw: true,
      },
      "x",
      () => {},
    );
    try {
      for (const record of queueFileRecords(Buffer.from(bytes), { from: 0, raw: true })) {
        if (!text.record(record)) break;
      }
    } catch (error) {
      expect((error as Error).name).toBe("QueueFileFault");
    }
  }));
});

test("ages fall into columns as qshape's do, and parents count children", () => {
  const shape = { bySender: false, parents: true, buckets: 4, minutes: 5, linear: false };
  const counts = new QshapeCounts(shape, ARRIVAL);
  const aged = (minutes: number, domain: string) =>
    counts.add(row({ arrival: ARRIVAL - minutes * 60_000, recipients: [why(`x@${domain}`)] }));
  aged(0, "a.example.com");
  aged(4.9, "A.Example.Com.");
  aged(5, "b.example.com");
  aged(10, "c..example.com");
  aged(9999, "example.com");
  expect(counts.rows(3)).toEqual([
    { domain: "TOTAL", counts: [5, 2, 1, 1, 1] },
    { domain: ".example.com", counts: [4, 2, 1, 1, 0] },
    { domain: "a.example.com", counts: [2, 2, 0, 0, 0] },
    { domain: "example.com", counts: [1, 0, 0, 0, 1] },
    { domain: "b.example.com", counts: [1, 0, 1, 0, 0] },
    { domain: "c.example.com", counts: [1, 0, 0, 1, 0] },
  ]);
  expect(counts.rows(4).some(({ domain }) => domain === ".example.com")).toBe(false);
});

test("postqueue's words are Postfix's, and what is beyond them asks for a listing", () => {
  const read = (words: string) => readPostqueueOptions(words.split(" ").filter((word) => word !== ""));
  expect(read("-p")).toMatchObject({ mode: "p", json: false, filter: undefined });
  expect(read("--to a@b")).toMatchObject({ mode: "p", filter: { to: ["a@b"] } });
  expect(read("--json")).toMatchObject({ mode: "p", json: true });
  expect(read("-c dir -j --status hold")).toMatchObject({
    mode: "j",
    configDirectory: "dir",
    filter: { status: ["hold"] },
  });
  expect(read("--why ABC --json")).toMatchObject({ mode: "why", argument: "ABC", json: true });
  expect(read("--why=ABC")).toMatchObject({ mode: "why", argument: "ABC" });
  expect(read("-f --to a@b")).toEqual({ mistake: "-f takes no filter" });
  expect(read("--why ABC --to a@b")).toEqual({ mistake: "--why takes no filter" });
  expect(read("-p --why ABC")).toEqual({ bad: "" });
  expect(read("--to nobody")).toMatchObject({ mistake: expect.stringContaining("bad value of --to") });
  expect(read("--nonsense")).toMatchObject({ bad: "invalid option -- '-'" });
});
