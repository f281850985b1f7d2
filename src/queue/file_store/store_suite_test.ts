import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { memoryStore } from "../../../test/kit/memory/memory_store.ts";
import { type OpenedStore, storeSuite } from "../../../test/kit/memory/store_suite.ts";
import type { Disk } from "../../platform/file/disk.ts";
import type { QueueStore } from "../store.ts";
import { openFileStore } from "./open_file_store.ts";

const START = 1_700_000_000_000;

async function openFiles(
  directory: string,
  disk: Disk | undefined,
  remove: () => void,
): Promise<OpenedStore> {
  const open = () =>
    openFileStore({
      directory,
      shard: 0,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
      now: () => opened.now,
      report: () => {},
      bySite: true,
      ...(disk !== undefined && { disk }),
    });
  let current: QueueStore;
  const opened: { -readonly [name in keyof OpenedStore]: OpenedStore[name] } = {
    now: START,
    store: undefined as never,
    async reopen() {
      await current.close();
      return current = await open();
    },
    async end() {
      await current.close();
      remove();
    },
  };
  opened.store = current = await open();
  return opened;
}

storeSuite({
  name: "the store of files",
  durable: true,
  open() {
    const directory = mkdtempSync(join(tmpdir(), "mta-store-"));
    return openFiles(directory, undefined, () => rmSync(directory, { recursive: true }));
  },
});

storeSuite({
  name: "the store of files, on a disk in memory",
  durable: true,
  open: () => openFiles("/q", new FakeDisk(() => 0.5), () => {}),
});

storeSuite({
  name: "the store in memory of the tests",
  durable: false,
  async open() {
    const opened: OpenedStore = {
      now: START,
      store: memoryStore(() => opened.now),
      reopen: () => Promise.reject(new Error("nothing remains")),
      end: () => Promise.resolve(),
    };
    return opened;
  },
});
