// What access rules cost: CPU time of a RCPT through ten restrictions with five warm table lookups, beside one without any.
//   ./node_modules/.bin/bun --no-install scripts/bench_access.ts [rounds]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { facts, policyKit } from "../test/kit/policy.ts";
import { isPromise } from "../src/base/maybe_async.ts";

const ROWS = 10_000;
const rounds = Number(process.argv[2] ?? 200_000);
const folder = mkdtempSync(join(tmpdir(), "bench-access-"));

/** A table of ten thousand rows that the session's key is in, at the last of the keys that are tried. */
function table(type: string, name: string, row: (at: number) => string, own: string): string {
  const path = join(folder, name);
  const rows = Array.from({ length: ROWS }, (_, at) => `${row(at)} REJECT\n`).join("");
  writeFileSync(path, `${rows}${own} DUNNO\n`);
  const main = join(import.meta.dirname, "../src/main.ts");
  const made = spawnSync(process.execPath, [main, "postmap", `${type}:${path}`], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`postmap ${type}:${path}: ${made.stderr}`);
  return `${type}:${path}`;
}

const LISTS = {
  smtpd_client_restrictions: `check_client_access ${
    table("hash", "client", (at) => `host${at}.example.net`, "192.0.2")
  }, reject_unknown_reverse_client_hostname`,
  smtpd_helo_restrictions: `reject_invalid_helo_hostname, check_helo_access ${
    table("hash", "helo", (at) => `helo${at}.example.net`, "example.org")
  }`,
  smtpd_sender_restrictions: `reject_non_fqdn_sender, check_sender_access ${
    table("btree", "sender", (at) => `user${at}@example.net`, "ann@")
  }`,
  smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
  smtpd_recipient_restrictions: `check_recipient_access ${
    table("lmdb", "recipient", (at) => `user${at}@example.com`, "bob@")
  }, check_recipient_access ${table("cdb", "recipient2", (at) => `other${at}@example.com`, "example.com")}`,
};
const BASE =
  "myhostname = mail.example.com\nmydestination = example.com\nlocal_recipient_maps =\nmynetworks = 10.0.0.0/8\n";
const NONE = "smtpd_relay_restrictions = reject_unauth_destination\n";

/** Microseconds of CPU for one RCPT. */
async function cost(main: string): Promise<number> {
  const { policy } = policyKit(main, { directory: folder });
  const stranger = facts();
  const check = async (times: number) => {
    for (let i = 0; i < times; i++) {
      const decision = policy.check("RCPT", stranger);
      const { refusal } = isPromise(decision) ? await decision : decision;
      if (refusal !== undefined) throw new Error(`refused: ${refusal.lines.join(" ")}`);
    }
  };
  await check(rounds / 10);
  const before = process.cpuUsage();
  await check(rounds);
  const { user, system } = process.cpuUsage(before);
  policy.close();
  return (user + system) / rounds;
}

const lists = Object.entries(LISTS).map(([name, value]) => `${name} = ${value}\n`).join("");
const none = await cost(BASE + NONE);
const ten = await cost(BASE + lists);
console.log(
  `a RCPT without rules costs ${
    none.toFixed(1)
  } us of CPU; ten restrictions with five warm table lookups add ${(ten - none).toFixed(1)} us (limit: 60)`,
);
rmSync(folder, { recursive: true });
