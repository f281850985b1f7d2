// postsuper of the compiled binary where there is no Postfix to compare with: a service that is down, users, filters, deaths in the middle.
import { afterAll, expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { chownSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { internalAddress } from "../../../src/address/address.ts";
import { askService } from "../../../src/master/control/control_client.ts";
import type { QueueId } from "../../../src/queue/envelope.ts";
import { openFileStore } from "../../../src/queue/file_store/open_file_store.ts";
import { openReadOnly } from "../../../src/queue/file_store/read_only.ts";
import { cutPower } from "../../kit/memory/power.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, type Finished, mailOwner, runMta, type Server, startServer } from "../../kit/server.ts";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root");

const LIMIT = 180_000;
const MAIN = [
  "worker_processes = 2",
  "relayhost = [127.0.0.1]:1",
  "mydestination =",
  "minimal_backoff_time = 4000s",
];
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function superOf(
  directory: string,
  args: readonly string[],
  as: { uid?: number; gid?: number } = {},
): Promise<Finished> {
  return new Promise((done, fail) => {
    const child = spawn(BINARY, ["-c", join(directory, "config"), "postsuper", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      ...as,
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => stdout += chunk);
    child.stderr.on("data", (chunk) => stderr += chunk);
    child.on("error", fail).on("close", (code) => done({ code, stdout, stderr }));
  });
}

async function send(server: Server, from: string, to: string): Promise<string> {
  const client = await talk(server.port);
  await client.say("EHLO client.example");
  await client.say(`MAIL FROM:<${from}>`);
  await client.say(`RCPT TO:<${to}>`);
  await client.say("DATA");
  const reply = await client.say("Subject: x\r\n\r\nx\r\n.");
  client.end();
  return /queued as (\w+)/.exec(reply)![1]!;
}

/** Queues messages by the store itself, held, in two shards; answers their ids. */
async function fill(queueDirectory: string, count: number): Promise<QueueId[]> {
  const ids: QueueId[] = [];
  for (const shard of [0, 1]) {
    const store = await openFileStore({
      directory: queueDirectory,
      shard,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
      report: () => {},
    });
    const put = async (at: number) => {
      const id = store.newId();
      ids.push(id);
      const draft = store.draft(id);
      await draft.write(Buffer.from(`body ${at}\r\n`));
      const address = internalAddress(`r@domain${at % 10}.example`);
      await draft.commit({
        id,
        arrival: Date.now() - at * 1000,
        sender: internalAddress(`s${at % 3}@x.example`),
        recipients: [{ address, original: address, notify: 0 }],
        origin: {},
        hold: true,
      }, Buffer.from("Subject: x\r\n\r\n"));
    };
    await Promise.all(Array.from({ length: count / 2 }, (_, at) => put(at)));
    await store.close();
  }
  spawnSync("chown", ["-R", mailOwner(), join(queueDirectory, "mta")]);
  return ids;
}

/** What is in a queue whose service is down: ids and queues. */
async function rowsOf(directory: string): Promise<Map<string, string>> {
  const reader = await openReadOnly(join(directory, "queue"));
  const rows = new Map<string, string>();
  for await (const { id, queue, forcedExpire } of reader.list()) {
    rows.set(id, `${queue}${forcedExpire ? " expired" : ""}`);
  }
  reader.close();
  return rows;
}

test(
  "while the service is down the files are changed, as mail_owner, and it goes on from there",
  async () => {
    let server = await startServer({ mainCf: MAIN });
    const { directory } = server;
    folders.push(directory);
    const ids: string[] = [];
    for (let at = 0; at < 6; at++) ids.push(await send(server, `s${at}@x.example`, "r@y.example"));
    for (const id of ids) await server.logged(new RegExp(`${id}: to=.*status=deferred`));
    const [held, requeued, expired, gone, both, left] = ids as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];

    // It runs, and cannot be asked: nothing is touched.
    rmSync(join(directory, "queue/control/socket"));
    expect(await superOf(directory, ["-d", "ALL"])).toEqual({
      code: 1,
      stdout: "",
      stderr:
        `postsuper: fatal: the Postfix mail system is running (pid ${server.pid}) but does not answer on ` +
        `${directory}/queue/control/socket; the queue is not touched. Stop it ("mta stop"), or find out why it does not ` +
        'answer ("mta status")\n',
    });
    expect(await server.stop({ keep: true })).toBe(0);

    // What users have handed over meanwhile is in the maildrop, as in Postfix.
    for (let at = 0; at < 2; at++) {
      const sent = await runMta(["-c", join(directory, "config"), "sendmail", "r@y.example"], {
        input: "Subject: x\n\nx\n",
      });
      expect(sent).toEqual({ code: 0, stdout: "", stderr: "" });
    }
    for (
      const [args, count] of [
        [["-d", "ALL", "maildrop", "--dry-run"], "2 messages (dry run: nothing was changed)"],
        [["-d", "ALL", "hold", "deferred", "--dry-run"], "6 messages (dry run: nothing was changed)"],
        [["-d", "ALL", "maildrop"], "2 messages"],
        [["-d", "ALL", "maildrop"], "0 messages"],
      ] as const
    ) {
      expect((await superOf(directory, args)).stderr).toBe(`postsuper: Deleted: ${count}\n`);
    }

    const nobody = await superOf(directory, ["-d", "ALL"], { uid: 65534, gid: 65534 });
    expect(nobody).toEqual({
      code: 1,
      stdout: "",
      stderr: "postsuper: fatal: use of this command is reserved for the superuser\n",
    });
    expect(
      (await superOf(directory, ["-h", held, "-e", expired, "-d", gone, "-r", requeued, "-f", both])).stderr
        .split("\n"),
    )
      .toEqual([
        `postsuper: ${held}: placed on hold`,
        `postsuper: ${expired}: expired`,
        `postsuper: ${gone}: removed`,
        `postsuper: ${requeued}: requeued`,
        `postsuper: ${both}: expired`,
        "postsuper: Requeued: 1 message",
        "postsuper: Deleted: 1 message",
        "postsuper: Force-expired: 2 messages",
        "postsuper: Placed on hold: 1 message",
        "postsuper: Released from hold: 0 messages",
        "",
      ]);
    const { uid, gid } = statSync(join(directory, "queue/mta"));
    expect(await superOf(directory, ["-h", both], { uid, gid })).toMatchObject({
      code: 0,
      stderr: `postsuper: ${both}: placed on hold\npostsuper: Placed on hold: 1 message\n`,
    });
    expect(await rowsOf(directory)).toEqual(
      new Map([
        [held, "hold"],
        [requeued, "deferred"],
        [expired, "deferred expired"],
        [both, "hold expired"],
        [left, "deferred"],
      ]),
    );
    const strangers = readdirSync(join(directory, "queue/mta"), { recursive: true })
      .filter((name) => statSync(join(directory, "queue/mta", String(name))).uid !== uid);
    expect(strangers).toEqual([]);

    server = await startServer({ directory, mainCf: MAIN });
    const again = await server.logged(
      new RegExp(`pickup\\[\\d+\\]: \\w+: uid=\\d+ from=<s1@x\\.example> orig_id=${requeued}`),
    );
    const id = /pickup\[\d+\]: (\w+)/.exec(again)![1]!;
    await server.logged(new RegExp(`${id}: to=<r@y\\.example>.*status=deferred`));
    expect((await superOf(directory, ["-d", requeued])).stderr).toBe("postsuper: Deleted: 0 messages\n");
    await server.stop({ keep: true });
    expect(new Set((await rowsOf(directory)).keys())).toEqual(new Set([held, id, expired, both, left]));
  },
  LIMIT,
);

test(
  "a filter says which, a dry run changes nothing, JSON is told line by line, and the log has each message",
  async () => {
    let server = await startServer({ mainCf: MAIN });
    const { directory } = server;
    folders.push(directory);
    await server.stop({ keep: true });
    const ids = await fill(server.queueDirectory, 2400);
    server = await startServer({ directory, mainCf: MAIN });
    const words = ["-d", "ALL", "--domain", "domain3.example,domain4.example", "--from", "s1@x.example"];
    const dry = await superOf(directory, [...words, "--dry-run"]);
    expect(dry).toEqual({
      code: 0,
      stdout: "",
      stderr: "postsuper: Deleted: 160 messages (dry run: nothing was changed)\n",
    });
    expect((await superOf(directory, [...words, "--dry-run", "hold", "deferred"])).stderr).toContain(
      "160 messages",
    );
    expect((await superOf(directory, [...words, "deferred"])).stderr).toBe(
      "postsuper: Deleted: 0 messages\n",
    );
    const deleted = await superOf(directory, [...words, "--json"]);
    const told = deleted.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    expect([told.length, told.at(-1), deleted.stderr]).toEqual([161, { deleted: 160 }, ""]);
    for (const { queue_id, action } of told.slice(0, -1)) {
      expect([ids.includes(queue_id), action]).toEqual([true, "deleted"]);
      await server.logged(new RegExp(`postfix/postsuper\\[\\d+\\]: ${queue_id}: removed$`));
    }
    await server.logged(/postfix\/postsuper\[\d+\]: Deleted: 160 messages$/);
    const counts = await askService({ queueDirectory: server.queueDirectory, verb: "counts", args: {} });
    expect(counts).toMatchObject({ is: "done", value: { hold: 2240 } });
    for (
      const [args, why] of [
        [["-d", ids[0]!, "--from", "s1@x.example"], "goes with ALL"],
        [["--from", "s1@x.example"], "goes with ALL"],
        [["-d", "ALL", "--status", "late"], 'bad value of --status: "late"'],
      ] as const
    ) {
      const refused = await superOf(directory, args);
      expect([refused.code, refused.stderr.includes(why)]).toEqual([1, true]);
    }

    // Who reads goes away.
    const piped = spawnSync("sh", [
      "-c",
      `"$0" -c "$1" postsuper --json --dry-run -d ALL | head -1`,
      BINARY,
      server.configDirectory,
    ], {
      encoding: "utf8",
    });
    expect([piped.stdout.split("\n").length, piped.stderr]).toEqual([2, ""]);

    // Everything dies in the middle of it: what was told is so, and nothing else is neither here nor there.
    const child = spawn(BINARY, ["-c", server.configDirectory, "postsuper", "-v", "-d", "ALL"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (chunk) => said += chunk);
    const ended = new Promise<void>((done) => child.on("close", () => done()));
    await until("the first messages to be gone", () => said.includes(": removed\n"));
    await cutPower(server);
    await ended;
    const gone = [...said.matchAll(/^postsuper: (\w+): removed$/gm)].map(([, id]) => id!);
    const rows = await rowsOf(directory);
    expect(gone.filter((id) => rows.has(id))).toEqual([]);
    expect([...rows].filter(([id, queue]) => !ids.includes(id as QueueId) || queue !== "hold")).toEqual([]);
    server = await startServer({ directory, mainCf: MAIN });
    const left = rows.size;
    expect((await superOf(directory, ["-d", "ALL"])).stderr)
      .toBe(`postsuper: Deleted: ${left} message${left === 1 ? "" : "s"}\n`);
    expect(server.log()).not.toContain("corrupt");
    await server.stop({ keep: true });
    expect((await rowsOf(directory)).size).toBe(0);
  },
  LIMIT,
);

test(
  "deleted in the middle of its delivery a message is told as removed once, and nobody hears of it again",
  async () => {
    const peer = await startSmtpPeer({ dot: "silent" });
    const server = await startServer({
      mainCf: [...MAIN.slice(2), `relayhost = [127.0.0.1]:${peer.port}`, "smtp_data_done_timeout = 5s"],
    });
    folders.push(server.directory);
    try {
      const ids = [
        await send(server, "ann@x.example", "r@y.example"),
        await send(server, "bob@x.example", "r@y.example"),
      ];
      await until("both bodies", () => peer.lines.filter((line) => line === "DATA").length === 2);
      expect((await superOf(server.directory, ["-d", ids[0]!, "-h", ids[1]!])).stderr).toBe(
        `postsuper: ${ids[0]}: removed\npostsuper: ${ids[1]}: placed on hold\n` +
          "postsuper: Deleted: 1 message\npostsuper: Placed on hold: 1 message\n",
      );
      for (const id of ids) await server.logged(new RegExp(`${id}: to=<r@y\\.example>.*status=deferred`));
      await until("the other one on hold", async () => {
        const { queueDirectory } = server;
        const counts = await askService({ queueDirectory, verb: "counts", args: {} });
        return counts.is === "done" && counts.value.hold === 1 && counts.value.active === 0 &&
          counts.value.deferred === 0;
      });
      expect(server.log().match(new RegExp(`${ids[0]}: removed`, "g"))).toHaveLength(1);
      expect(server.log()).not.toContain("non-delivery notification");
    } finally {
      await server.stop({ keep: true });
      peer.close();
    }
  },
  LIMIT,
);

test("what was damaged while the service was down is set aside and told by -s", async () => {
  const home = mkdtempSync(join(tmpdir(), "mta-super-"));
  folders.push(home);
  const server = await startServer({ mainCf: MAIN });
  folders.push(server.directory);
  await server.stop({ keep: true });
  const { directory } = server;
  await fill(server.queueDirectory, 20);
  expect(await superOf(directory, ["-s"])).toEqual({ code: 0, stdout: "", stderr: "" });
  const log = join(directory, "queue/mta/shard-0/log");
  const [segment] = readdirSync(log).filter((name) => name.endsWith(".seg"));
  const file = Bun.file(join(log, segment!));
  const bytes = Buffer.from(await file.arrayBuffer());
  const at = bytes.indexOf("body 5\r\n");
  bytes.write("BODY", at);
  await Bun.write(join(log, segment!), bytes);
  chownSync(join(log, segment!), statSync(log).uid, statSync(log).gid);
  const checked = await superOf(directory, ["-s", "-d", "ALL"]);
  expect(checked.stderr).toMatch(/^postsuper: warning: .*shard-0\/log\/.*damaged, set aside as /m);
  expect(checked.stderr).toContain("postsuper: Deleted: 19 messages\n");
}, LIMIT);
