import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { internalAddress } from "../../address/address.ts";
import type { QueueId } from "../envelope.ts";
import type { QueueStore } from "../store.ts";
import { openFileStore } from "./open_file_store.ts";

const NOW = 1_700_000_000_000;

async function put(store: QueueStore, name: string, hold: boolean): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  await draft.write(Buffer.alloc(2000, name));
  const address = internalAddress(`${name}@example.com`);
  const recipients = [{ address, original: address, notify: 0 }];
  const head = Buffer.from(`Subject: ${name}\r\n\r\n`);
  await draft.commit({ id, arrival: NOW, sender: address, recipients, origin: {}, hold }, head);
  return id;
}

test("a message that comes in the place of a damaged one that was new has nothing of it", async () => {
  const disk = new FakeDisk(() => 0.5);
  const store = await openFileStore({
    directory: "/q",
    shard: 0,
    disk,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { spoolThreshold: 1000 },
    now: () => NOW,
    report: () => {},
    after: () => () => {},
  });
  const damaged = await put(store, "damaged", false);
  expect(await store.takeDue(NOW, 1)).toEqual([damaged]);
  const { content } = await store.open(damaged);
  disk.damage(`/q/mta/shard-0/spool/${damaged}`, (bytes) => bytes.fill(0));
  await expect((async () => {
    for await (const _ of content.chunks()) { /* until it is known */ }
  })()).rejects.toThrow("its checksum is wrong");
  const held = await put(store, "held", true);
  const message = await store.open(held);
  expect(message.envelope.id).toBe(held);
  const pieces: Uint8Array[] = [];
  for await (const piece of message.content.chunks()) pieces.push(piece);
  expect(Buffer.concat(pieces).toString()).toStartWith("Subject: held\r\n\r\nheldheld");
  await store.close();
});
