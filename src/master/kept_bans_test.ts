import { expect, test } from "bun:test";
import { fakeClock } from "../../test/kit/memory/fake_clock.ts";
import { LoginLedger } from "../anvil/login_ledger.ts";
import { KeptBans } from "./kept_bans.ts";

const SETTINGS = {
  login_failure_limit: 1,
  login_failure_network_limit: 0,
  login_failure_user_limit: 0,
  login_failure_time_unit: 3600,
  login_ban_time: 3600,
};

function keptBans(file: { text?: string; fails?: boolean }) {
  const clock = fakeClock();
  const ledger = new LoginLedger(SETTINGS, () => clock.now(), () => {});
  const warnings: string[] = [];
  let writes = 0;
  const kept = new KeptBans({
    ledger,
    world: {
      after: (milliseconds, call) => clock.after(milliseconds, call),
      bansIn: (directory) => {
        expect(directory).toBe("/data");
        if (file.fails) throw Object.assign(new Error("EROFS: read-only file system"), { code: "EROFS" });
        return { read: () => file.text, write: (text) => void (writes++, file.text = text) };
      },
    },
    dataDirectory: () => "/data",
    warn: (text) => void warnings.push(text),
  });
  ledger.changed = () => kept.changed();
  const fail = (range: string) => ledger.take({ is: "failed", client: { range, network: range } });
  return { clock, ledger, kept, warnings, fail, writes: () => writes };
}

test("bans are written down together some seconds later, and at a stop at once", async () => {
  const file: { text?: string } = {};
  const { clock, kept, fail, writes } = keptBans(file);
  for (let at = 0; at < 100; at++) fail(`192.0.2.${at}`);
  expect(writes()).toBe(0);
  await clock.advance(5000);
  expect([writes(), file.text!.trim().split("\n").length]).toEqual([1, 100]);
  kept.stop();
  expect(writes()).toBe(1);
  fail("198.51.100.1");
  kept.stop();
  await clock.advance(60_000);
  expect([writes(), file.text!.trim().split("\n").length]).toEqual([2, 101]);
  const again = keptBans(file);
  again.kept.restore();
  expect([...again.ledger.bans()].length).toBe(101);
});

test("a file that cannot be read or written is told once", async () => {
  const { clock, kept, fail, warnings } = keptBans({ fails: true });
  kept.restore();
  fail("192.0.2.1");
  await clock.advance(5000);
  fail("192.0.2.2");
  await clock.advance(5000);
  expect(warnings).toEqual(
    ["read", "write"].map((what) =>
      expect.stringContaining(
        `cannot ${what} /data/logins/bans: Read-only file system: who is shut out will not be`,
      )
    ),
  );
});
