// Fills a queue directory with messages through the store itself, for measuring the queue tools. The service must be down.
// usage: bun --no-install scripts/fill_queue.ts --directory=QUEUE_DIRECTORY [--messages=N] [--size=BYTES] [--shards=N]
//          [--hold=PERCENT] [--incoming=PERCENT] [--due=SECONDS] [--domains=N] [--recipients=N] [--owner=USER]
// Messages that are neither held nor incoming are deferred, with a reason, and due in so many seconds (an hour by default; beyond maximal_backoff_time it is now).
import { spawnSync } from "node:child_process";
import { internalAddress } from "../src/address/address.ts";
import type { Envelope, QueueId } from "../src/queue/envelope.ts";
import { openFileStore } from "../src/queue/file_store/open_file_store.ts";
import type { QueueStore, RecipientChange } from "../src/queue/store.ts";

function option(name: string, fallback: string): string {
  const prefix = `--${name}=`;
  return process.argv.find((arg) => arg.startsWith(prefix))?.slice(prefix.length) ?? fallback;
}

const number = (name: string, fallback: number) => Number(option(name, String(fallback)));

const directory = option("directory", "");
const messages = number("messages", 1_000_000);
const size = number("size", 500);
const shards = number("shards", 1);
const hold = number("hold", 0);
const incoming = number("incoming", 0);
const due = number("due", 3_600);
const domains = number("domains", 1000);
const recipients = number("recipients", 1);
const owner = option("owner", "");

/** So many messages are on their way to the disk at a time. */
const IN_FLIGHT = 2000;
const HOUR = 3_600_000;

if (directory === "") {
  console.error("fill_queue: say which --directory");
  process.exit(64);
}

const body = Buffer.from(`${"The quick brown fox jumps over the lazy dog.\r\n".repeat(Math.ceil(size / 46))}`)
  .subarray(0, size);

function openShard(shard: number): Promise<QueueStore> {
  return openFileStore({
    directory,
    shard,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: true },
    report: (event) => {
      if (event.is === "fault" || event.is === "corrupt") console.error(event);
    },
  });
}

function envelope(id: QueueId, at: number, held: boolean): Envelope {
  const sender = at % 10 === 0 ? "" : `user${at % 5000}@sender${at % 37}.example.org`;
  return {
    id,
    // Ages from now to two days: qshape and --older-than have something to tell apart.
    arrival: Date.now() - Math.floor(((messages - at) / messages) * 48 * HOUR),
    sender: internalAddress(sender),
    recipients: Array.from({ length: recipients }, (_, which) => {
      const address = internalAddress(
        `rcpt${at % 100_000}.${which}@domain${(at + which) % domains}.example.com`,
      );
      return { address, original: address, notify: 0 };
    }),
    origin: {
      clientName: "client.example.org",
      clientAddress: "192.0.2.50",
      helo: "client.example.org",
      protocol: "ESMTP",
    },
    hold: held,
    longestLine: 78,
    messageId: `<${at}@client.example.org>`,
  };
}

/** What the last attempt came to. */
function outcome(at: number): RecipientChange[] {
  const host = `mx.domain${at % domains}.example.com`;
  const why = {
    status: at % 3 === 0 ? "4.7.1" : "4.4.1",
    text: at % 3 === 0
      ? `host ${host}[192.0.2.${
        at % 256
      }] said: 450 4.7.1 Greylisted, please try again (in reply to RCPT TO command)`
      : `connect to ${host}[192.0.2.${at % 256}]:25: Connection timed out`,
    action: "delayed",
    remoteMta: host,
  } as const;
  return Array.from({ length: recipients }, (_, index) => ({ index, state: { is: "pending", why } }));
}

async function put(store: QueueStore, at: number): Promise<void> {
  const percent = at % 100;
  const id = store.newId();
  const draft = store.draft(id);
  await draft.write(body);
  await draft.commit(envelope(id, at, percent < hold), Buffer.from(`Subject: message ${at}\r\n\r\n`));
}

/** Everything that is due becomes deferred, but for the share that stays incoming. */
async function deferAll(store: QueueStore, from: number): Promise<void> {
  let at = from;
  for (;;) {
    const ids = await store.takeDue(Date.now(), 10_000);
    if (ids.length === 0) break;
    for (const id of ids) {
      const stays = (at % 100) < incoming;
      if (stays) left.push(id);
      else {
        // As the queue manager does: then all states are written down at the end of the run, and none stays in memory.
        await store.open(id);
        store.defer(id, Date.now() + due * 1000, outcome(at));
      }
      at++;
    }
    await store.flush();
  }
  for (const id of left.splice(0)) store.release(id);
}

const left: QueueId[] = [];

async function fill(store: QueueStore, from: number, count: number): Promise<void> {
  let next = from;
  const lane = async () => {
    while (next < from + count) await put(store, next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  await deferAll(store, from);
}

const started = performance.now();
for (let shard = 0; shard < shards; shard++) {
  const store = await openShard(shard);
  const from = Math.floor((messages * shard) / shards);
  await fill(store, from, Math.floor((messages * (shard + 1)) / shards) - from);
  await store.close();
}
if (owner !== "") spawnSync("chown", ["-R", owner, `${directory}/mta`]);
console.log(`${messages} messages in ${((performance.now() - started) / 1000).toFixed(1)} s`);
