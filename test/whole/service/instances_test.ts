// Several mail systems on one machine: each with its own folders, nothing between them.
import { expect, setDefaultTimeout } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { sendMessage } from "../../kit/talk.ts";

const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");
setDefaultTimeout(180_000);

const running: Server[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

async function instance(name: string, group: string): Promise<Server> {
  const mainCf = [
    `multi_instance_name = postfix-${name}`,
    `multi_instance_group = ${group}`,
    "multi_instance_enable = yes",
    "defer_transports = smtp",
    "fast_flush_domains = remote.example",
  ];
  const server = await startServer({ mainCf });
  running.push(server);
  return server;
}

const ids = (listing: string) => [...listing.matchAll(/^([0-9A-F]{10,})/gm)].map(([, id]) => id);

whole("two instances run side by side: queue, log, tools and a stop are each one's own", async () => {
  const [one, two] = [await instance("one", "mta"), await instance("two", "mta")];
  for (let i = 0; i < 3; i++) await sendMessage(one.port, { from: "a@example.com", to: "x@remote.example" });
  await sendMessage(two.port, { from: "b@example.com", to: "y@remote.example" });
  await one.logged(/postfix-one\/smtpd\[\d+\]: disconnect/);
  await two.logged(/postfix-two\/smtpd\[\d+\]: disconnect/);
  expect(one.log()).not.toContain("postfix-two/");
  const [listed, other] = [await one.mta("postqueue", "-p"), await two.mta("postqueue", "-p")];
  expect([ids(listed.stdout).length, ids(other.stdout).length]).toEqual([3, 1]);
  expect((await two.mta("postqueue", "-s", "remote.example")).code).toBe(0);

  // postmulti, with an instance as the primary one that knows of the other.
  const main = join(one.configDirectory, "main.cf");
  writeFileSync(main, `${readFileSync(main, "utf8")}multi_instance_directories = ${two.configDirectory}\n`);
  const multi = (...args: string[]) => runMta(["-c", one.configDirectory, "postmulti", ...args]);
  const running = [one, two].map(({ pid }, at) =>
    `postfix-${["one", "two"][at]}/postfix-script: the Postfix mail system is running: PID: ${pid}\n`
  );
  expect(await multi("-p", "status")).toEqual({ code: 0, stdout: "", stderr: running.join("") });
  expect((await multi("-i", "two", "-p", "stop")).code).toBe(0);
  expect(await two.exited).toBe(0);
  expect((await one.mta("status")).code).toBe(0);
  expect(await sendMessage(one.port, { from: "a@example.com", to: "x@remote.example" })).toStartWith("250");
  const { code, stderr } = await multi("-p", "status");
  expect([code, stderr]).toEqual([
    1,
    `${running[0]}postfix-two/postfix-script: the Postfix mail system is not running\n`,
  ]);
});

whole("an instance does not start with the data_directory, or the queue_directory, of another", async () => {
  const first = await instance("one", "mta");
  const second = async (lines: readonly string[]) => {
    const server = await startServer({ mainCf: lines }).catch((error) => String(error));
    if (typeof server === "string") return server;
    running.push(server);
    return "it serves";
  };
  expect(await second([`data_directory = ${first.directory}/data`])).toContain(
    `fatal: open lock file ${first.directory}/data/master.lock: unable to set exclusive lock: Resource temporarily unavailable; ` +
      "another mail system has this data_directory: give each its own",
  );
  expect(await second([`queue_directory = ${first.queueDirectory}`])).toContain(
    `fatal: the Postfix mail system is already running (process ${first.pid} holds the lock`,
  );
  expect((await first.mta("reload")).code).toBe(0);
  expect((await first.mta("status")).code).toBe(0);
});
