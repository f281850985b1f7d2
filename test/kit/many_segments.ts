// A queue of many segments on a real disk, for tests on the compiled binary.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { internalAddress } from "../../src/address/address.ts";
import { crc32 } from "../../src/platform/checksum.ts";
import { openFileStore } from "../../src/queue/file_store/open_file_store.ts";
import { recordLength } from "../../src/queue/log/record.ts";
import { mailOwner, startServer } from "./server.ts";

/** Where a server is that has never delivered anything, and has such a queue. */
export async function serverWithSegments(messages: number, mainCf: readonly string[]) {
  const first = await startServer({ mainCf });
  await first.stop({ keep: true });
  const { directory, queueDirectory } = first;
  await fillSegments(queueDirectory, messages);
  return { directory, log: join(queueDirectory, "mta/shard-0/log") };
}

/** Messages of 14 KB in segments of 256 KiB, each with its number in `X-Count` and a recipient of its own at far.example. */
async function fillSegments(directory: string, messages: number): Promise<void> {
  const store = await openFileStore({
    directory,
    shard: 0,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: true },
    limits: { segmentSize: 256 * 1024 },
    report: () => {},
  });
  for (let at = 0; at < messages; at++) {
    const id = store.newId();
    const draft = store.draft(id);
    await draft.write(Buffer.from("some text of a message\r\n".repeat(600)));
    const address = internalAddress(`r${at}@far.example`);
    await draft.commit({
      id,
      arrival: Date.now(),
      sender: internalAddress("s@near.example"),
      recipients: [{ address, original: address, notify: 0 }],
      origin: {},
    }, Buffer.from(`X-Count: ${at}\r\n\r\n`));
  }
  await store.close();
  spawnSync("chown", ["-R", mailOwner(), join(directory, "mta")]);
}

/** Files of a log whose name ends so, the oldest first. */
function filesIn(log: string, ending: string): string[] {
  return readdirSync(log).filter((name) => name.endsWith(ending)).sort().map((name) => join(log, name));
}

export function checkpointsIn(log: string): string[] {
  return filesIn(log, ".idx");
}

export function segmentsIn(log: string): string[] {
  return filesIn(log, ".seg");
}

/** Gives the first record behind a segment's own another version, with its checksum put right; answers the one that it had. */
export function setRecordVersion(path: string, version: number): number {
  const bytes = readFileSync(path);
  const at = bytes.indexOf("qatm", 10);
  const before = bytes[at + 8]!;
  bytes[at + 8] = version;
  const record = bytes.subarray(at, at + recordLength(bytes, at));
  record.writeUInt32LE(crc32(record.subarray(44), crc32(record.subarray(0, 40))), 40);
  writeFileSync(path, bytes);
  return before;
}
