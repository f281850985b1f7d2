// Measures the queue's store alone: durable appends a second, processor time of each, replay and memory.
// usage: bun --no-install scripts/bench_queue.ts [--directory=DIR] [--messages=N] [--size=BYTES]
import { internalAddress } from "../src/address/address.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Envelope, QueueId } from "../src/queue/envelope.ts";
import { openFileStore } from "../src/queue/file_store/open_file_store.ts";
import type { QueueStore } from "../src/queue/store.ts";

function option(name: string, fallback: string): string {
  const prefix = `--${name}=`;
  return process.argv.find((arg) => arg.startsWith(prefix))?.slice(prefix.length) ?? fallback;
}

const messages = Number(option("messages", "100000"));
const size = Number(option("size", "4096"));
const directory = mkdtempSync(join(option("directory", tmpdir()), "mta-bench-queue-"));

function openStore(): Promise<QueueStore> {
  return openFileStore({
    directory,
    shard: 0,
    settings: { queue_minfree: 0, message_size_limit: 10240000, enable_long_queue_ids: false },
    report: (event) => {
      if (event.is === "fault" || event.is === "corrupt") console.error(event);
    },
  });
}

function envelope(id: QueueId): Envelope {
  return {
    id,
    arrival: Date.now(),
    sender: internalAddress("ann@example.org"),
    recipients: [{
      address: internalAddress("bob@example.com"),
      original: internalAddress("bob@example.com"),
      notify: 0,
    }],
    origin: {
      clientName: "client.example.org",
      clientAddress: "192.0.2.50",
      clientPort: 40000,
      helo: "client.example.org",
      protocol: "ESMTP",
    },
    longestLine: 78,
    messageId: "<20260101000000.12345@client.example.org>",
  };
}

async function put(store: QueueStore): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  draft.write(Buffer.alloc(size, 0x61));
  await draft.commit(envelope(id), Buffer.alloc(0));
  return id;
}

interface Measure {
  readonly what: string;
  readonly count: number;
  readonly inFlight: number;
  readonly work: () => Promise<unknown>;
}

/** Keeps `inFlight` calls going until `count` are done. */
async function measure({ what, count, inFlight, work }: Measure): Promise<void> {
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  let left = count;
  const lane = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const each = ((user + system) / count).toFixed(1);
  console.log(
    `${what.padEnd(48)} ${Math.round(count / seconds).toString().padStart(8)}/s  ${each} us CPU each`,
  );
}

async function cycle(store: QueueStore): Promise<void> {
  await put(store);
  for (const id of (await store.takeDue(Date.now(), 1))) {
    await store.open(id);
    store.remove(id);
  }
}

function memory(): number {
  Bun.gc(true);
  return process.memoryUsage().external;
}

async function main(): Promise<void> {
  let store = await openStore();
  const warm = Math.min(messages, 20_000);
  await measure({ what: "warm-up", count: warm, inFlight: 20, work: () => cycle(store) });
  for (const inFlight of [1, 20, 100]) {
    const count = inFlight === 1 ? Math.ceil(messages / 20) : messages;
    const what = `receive, open, remove; ${inFlight} in flight`;
    await measure({ what, count, inFlight, work: () => cycle(store) });
  }
  await measure({
    what: `append ${messages} of ${size} bytes; 20 in flight`,
    count: messages,
    inFlight: 20,
    work: () => put(store),
  });
  for (const id of (await store.takeDue(Date.now(), messages))) store.defer(id, Date.now() + 3_600_000, []);
  await store.flush();
  const listing = performance.now();
  let rows = 0;
  for await (const _ of store.list()) rows++;
  console.log(
    `list ${rows} messages: ${Math.round(performance.now() - listing)} ms`,
  );
  await store.close();
  const before = memory();
  const started = performance.now();
  store = await openStore();
  const took = Math.round(performance.now() - started);
  console.log(`memory of the index ${Math.round((memory() - before) / messages)} bytes a message`);
  console.log(`replay ${(await store.counts()).deferred} messages: ${took} ms`);
  await store.close();
}

try {
  await main();
} finally {
  rmSync(directory, { recursive: true });
}
