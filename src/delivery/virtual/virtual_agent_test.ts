import { internalAddress } from "../../address/address.ts";
import { expect, test } from "bun:test";
import { contentOf } from "../../../test/kit/memory/memory_store.ts";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { memoryTable } from "../../../test/kit/memory/memory_table.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { mapsOf } from "../../table/search/maps.ts";
import type { Identity, MailTask, TaskResult } from "../mailbox/writer.ts";
import { createVirtualAgent } from "./virtual_agent.ts";

const maps = (rows: Parameters<typeof memoryTable>[0]) => {
  const whole = mapsOf([memoryTable(rows)], { warn: () => {} });
  return { whole, partial: whole };
};

async function deliver(
  address: string,
  result: TaskResult = { is: "done" },
  body = "Subject: x\r\n\r\ny\r\n",
) {
  const log = memoryLog();
  const done: { identity: Identity; task: MailTask }[] = [];
  const agent = createVirtualAgent({
    settings: {
      virtual_mailbox_base: "/base",
      virtual_mailbox_limit: 100,
      virtual_mailbox_lock: "fcntl, dotlock",
      virtual_minimum_uid: 100,
      recipient_delimiter: "+",
      deliver_lock_attempts: 1,
      deliver_lock_delay: 1,
      stale_lock_time: 1,
      strict_mailbox_ownership: true,
      myhostname: "mail.example.com",
    },
    mailboxMaps: maps({
      "ann@v.example": "v/ann",
      "ben@v.example": "v/ben/",
      "low@v.example": "low",
      "odd@v.example": "odd",
      "@all.example": "all",
      "up@v.example": "../etc/x",
      "out@v.example": "v/../../etc/",
      "dots@v.example": "v/a..b",
      "ill@v.example": { is: "trouble", retry: true, why: "no server" },
    }),
    uidMaps: maps({ "@v.example": "5000", "@all.example": "5001", "low@v.example": "5" }),
    gidMaps: maps({ "@v.example": "6000", "@all.example": "6001", "odd@v.example": "x" }),
    writer: {
      deliverTo(identity, task) {
        done.push({ identity, task });
        return Promise.resolve(result);
      },
    },
    now: () => 0,
    log,
  });
  const report = await agent.deliver({
    envelope: { id: "X" as QueueId, arrival: 0, sender: internalAddress("s@x"), recipients: [], origin: {} },
    recipients: [{
      index: 0,
      recipient: { address: internalAddress(address), original: internalAddress(address), notify: 0 },
    }],
    transport: "virtual",
    nexthop: "v.example",
    content: contentOf(body),
  }, new AbortController().signal);
  const { is, detail } = report.outcomes[0]!;
  return { said: `${is} ${detail.status} ${detail.text}`, done, log: log.lines };
}

test("tables name mailbox, uid and gid: by address, without extension, by domain", async () => {
  const ann = await deliver("ann@v.example");
  expect(ann.said).toBe("sent 2.0.0 delivered to mailbox");
  expect(ann.done).toEqual([
    {
      identity: { uid: 5000, gid: 6000 },
      task: expect.objectContaining({
        do: "mbox",
        path: "/base/v/ann",
        locks: ["fcntl", "dotlock"],
        spool: false,
      }),
    },
  ]);
  const ben = await deliver("Ben+x@V.example");
  expect(ben.said).toBe("sent 2.0.0 delivered to maildir");
  expect(ben.done[0]!.task).toMatchObject({ do: "maildir", path: "/base/v/ben", sizeLimit: 100 });
  const all = await deliver("anybody@all.example");
  expect(all.done[0]).toMatchObject({ identity: { uid: 5001, gid: 6001 }, task: { path: "/base/all" } });
});

test("who is in no table is unknown; a table in trouble or a bad number defers", async () => {
  expect((await deliver("no@v.example")).said).toBe('bounced 5.1.1 unknown user: "no@v.example"');
  for (
    const [address, warning] of [
      ["ill@v.example", 'memory:test lookup error for "ill@v.example": no server'],
      ["low@v.example", "recipient low@v.example: bad uid 5 in virtual_uid_maps"],
      ["odd@v.example", "recipient odd@v.example: bad gid x in virtual_gid_maps"],
    ] as const
  ) {
    const { said, done, log } = await deliver(address);
    expect(said).toBe("deferred 4.3.5 mail system configuration error");
    expect(done).toEqual([]);
    expect(log).toEqual([`virtual: warning: ${warning}`]);
  }
});

test("what cannot be written is deferred, but for a full mailbox", async () => {
  const failed = async (code: string, why: string) =>
    (await deliver("ann@v.example", { is: "failed", code, why })).said;
  expect(await failed("EACCES", "cannot open file: Permission denied")).toBe(
    "deferred 4.2.0 delivery failed to mailbox /base/v/ann: cannot open file: Permission denied",
  );
  expect(await failed("EFBIG", "error writing message: File too large")).toStartWith("bounced 5.2.2 ");
  expect((await deliver("ann@v.example", { is: "no right", why: "no helper" })).said).toBe(
    "deferred 4.2.0 delivery failed to mailbox /base/v/ann: no helper",
  );
});

test("a mailbox's path does not lead out of virtual_mailbox_base, whatever a pattern makes of an address", async () => {
  for (const address of ["up@v.example", "out@v.example"]) {
    const { said, done } = await deliver(address);
    expect(said).toBe("deferred 4.3.5 mail system configuration error");
    expect(done).toEqual([]);
  }
  expect((await deliver("dots@v.example")).said).toStartWith("sent");
});

test("mail that was delivered here before is a loop", async () => {
  expect((await deliver("ann@v.example", undefined, "Delivered-To: ann@v.example\r\n\r\n")).said).toBe(
    "bounced 5.4.6 mail forwarding loop for ann@v.example",
  );
});
