import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { put } from "../../../test/kit/memory/queue_shard.ts";
import type { QueueId } from "../envelope.ts";
import { beginFileStore } from "./open_file_store.ts";
import type { QueueEvent } from "../log/file_store_options.ts";

test("a large message that arrives while a damaged log is loaded is not told as lost", async () => {
  let disk = new FakeDisk(() => 0.5);
  const events: QueueEvent[] = [];
  const open = () =>
    beginFileStore({
      directory: "/q",
      shard: 0,
      disk,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
      limits: { block: 512, preallocate: 1024, segmentSize: 4096, spoolThreshold: 2000 },
      report: (event) => void events.push(event),
      after: () => () => {},
    });
  const before = await open();
  const ids: QueueId[] = [];
  for (let at = 0; at < 3; at++) ids.push(await put(before, Buffer.alloc(400, 97)));
  disk = disk.kill();
  const [name] = disk.list("/q/mta/shard-0/log").filter((each) => each.endsWith(".seg"));
  disk.damage(`/q/mta/shard-0/log/${name}`, (bytes) => {
    bytes.fill(7, bytes.indexOf(ids[1]!) + 20, bytes.indexOf(ids[1]!) + 40);
    return bytes;
  });
  disk.readTurns = 10;
  const store = await open();
  const id = store.newId();
  await store.draft(id).write(Buffer.alloc(3000, 98));
  await store.loaded;
  const lost = events.flatMap((event) => event.is === "lost" ? [event.ids] : []);
  expect(lost).toEqual([[ids[1]!]]);
});
