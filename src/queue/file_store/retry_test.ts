import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { internalAddress } from "../../address/address.ts";
import { openFileStore } from "./open_file_store.ts";

const MANY = 30_000;

/** Longer than the store works at a stretch, in milliseconds of the processor: on a busy machine time passes without any work. */
const A_MOMENT = 60;

function worked(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

test(
  "mail that comes while a great many messages are made due does not wait, and they go out from the first on",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "mta-retry-"));
    const store = await openFileStore({
      directory,
      shard: 0,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: true },
      report: () => {},
      bySite: true,
    });
    const address = internalAddress("a@one.example");
    const recipients = [{ address, original: address, notify: 0 }];
    const sender = internalAddress("");
    const put = async () => {
      const id = store.newId();
      await store.draft(id).commit({ id, arrival: 1, sender, recipients, origin: {} }, Buffer.from("x"));
    };
    for (let from = 0; from < MANY; from += 1000) await Promise.all(Array.from({ length: 1000 }, put));
    for (const id of await store.takeDue(2, MANY)) store.defer(id, 5_000_000_000_000, []);
    let announced = 0;
    store.onArrival(() => announced++);
    for (const retry of [() => store.retryNow(), () => store.retrySite("one.example")]) {
      announced = 0;
      let turns = 0;
      let done = false;
      const turn = () => {
        turns++;
        if (!done) setImmediate(turn);
      };
      setImmediate(turn);
      const began = process.cpuUsage();
      expect(await retry()).toBe(MANY);
      done = true;
      // Where the machine does it all in a moment, nobody waits and there is nothing to give way for.
      if (worked(began) < A_MOMENT) continue;
      expect(turns).toBeGreaterThan(1);
      expect(announced).toBeGreaterThan(1);
    }
    await store.close();
    rmSync(directory, { recursive: true });
  },
  60_000,
);
