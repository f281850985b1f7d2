// A file system that becomes read-only under the running service: mail is refused for the time being, and a stop is a stop.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, freePort } from "../../kit/server.ts";

const { test } = withPeers(import.meta.path, "root", "dist/mta", "nc");

/**
 * In a mount namespace of its own the folder is mounted over itself, read-only: whoever uses a path below it from then on meets a
 * read-only file system, as after a disk error.
 */
const SCRIPT = `
mta=$1 home=$2 port=$3; chown mail "$home/data"
"$mta" -c "$home/config" serve > "$home/../log" 2>&1 & pid=$!
for try in $(seq 400); do grep -q "daemon started" "$home/../log" && break; sleep 0.05; done
mount --bind "$home" "$home" && mount -o remount,bind,ro "$home" || exit 77
printf 'HELO x\\r\\nMAIL FROM:<a@b.example>\\r\\nRCPT TO:<root@example.com>\\r\\nDATA\\r\\n' > "$home/../session"
{ cat "$home/../session"; sleep 1; printf 'hi\\r\\n.\\r\\nQUIT\\r\\n'; } | nc -w 10 127.0.0.1 "$port" > "$home/../replies"
kill -TERM $pid; wait $pid; echo "exit $?"
`;

test("a stop on a read-only file system ends with status 0, and no message got a 250", async () => {
  const outside = mkdtempSync(join(tmpdir(), "mta-ro-"));
  const home = join(outside, "home");
  chmodSync(outside, 0o755);
  for (const name of ["config", "queue", "data"]) mkdirSync(join(home, name), { recursive: true });
  const port = await freePort();
  writeFileSync(
    join(home, "config/main.cf"),
    [
      "compatibility_level = 3.6",
      `queue_directory = ${home}/queue`,
      `data_directory = ${home}/data`,
      "mail_owner = mail",
      "myhostname = mail.example.com",
      "mydestination = example.com",
      "inet_interfaces = 127.0.0.1",
      "http_listen =",
      "maillog_file = /dev/stdout",
      "",
    ].join("\n"),
  );
  writeFileSync(
    join(home, "config/master.cf"),
    `127.0.0.1:${port} inet n - n - - smtpd\nqmgr unix n - n 300 1 qmgr\ncleanup unix n - n - 0 cleanup\n`,
  );
  const ran = spawnSync("unshare", ["--mount", "sh", "-c", SCRIPT, "sh", BINARY, home, String(port)], {
    encoding: "utf8",
    timeout: 60_000,
  });
  const read = (name: string) => spawnSync("cat", [join(outside, name)], { encoding: "utf8" }).stdout;
  const [log, replies] = [read("log"), read("replies")];
  rmSync(outside, { recursive: true });
  expect(`${ran.stdout}${ran.stderr}`).toBe("exit 0\n");
  expect(replies).toContain("\n451 4.3.0 ");
  expect(replies).not.toContain("queued as");
  expect(log).toContain("Read-only file system");
  expect(log).not.toContain("fatal:");
}, 180_000);
