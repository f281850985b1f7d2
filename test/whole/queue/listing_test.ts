// The queue in the operator's eyes: of a stopped service, a killed one, by other users, by users who mean harm.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { internalAddress } from "../../../src/address/address.ts";
import { controlSocketPath } from "../../../src/master/control/control_protocol.ts";
import type { QueueId } from "../../../src/queue/envelope.ts";
import { openFileStore } from "../../../src/queue/file_store/open_file_store.ts";
import { family, isRunning } from "../../kit/memory/power.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, type Finished, mailOwner, type Server, startServer } from "../../kit/server.ts";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "root", "dist/mta");
setDefaultTimeout(180_000);

const NOBODY = 65534;

/** Runs the executable, as another user where one is given. */
function mta(directory: string, args: readonly string[], uid?: number): Promise<Finished> {
  return new Promise((done, fail) => {
    const child = spawn(BINARY, ["-c", join(directory, "config"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: "/",
      ...(uid !== undefined && { uid, gid: uid }),
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk) => stdout += chunk);
    child.stderr.setEncoding("utf8").on("data", (chunk) => stderr += chunk);
    child.on("error", fail).on("close", (code) => done({ code, stdout, stderr }));
  });
}

/** A directory with so many deferred messages in its queue, in two shards; their ids in the order of a listing. */
async function filled(messages: number): Promise<{ readonly directory: string; readonly ids: QueueId[] }> {
  const directory = mkdtempSync(join(tmpdir(), "mta-listing-"));
  mkdirSync(join(directory, "queue"));
  const ids: QueueId[] = [];
  for (const shard of [0, 1]) {
    const store = await openFileStore({
      directory: join(directory, "queue"),
      shard,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: true },
      report: () => {},
    });
    const put = async (at: number) => {
      const id = store.newId();
      const draft = store.draft(id);
      await draft.write(Buffer.from(`body ${at}\r\n`));
      const recipients = ["bob", "carl"].map((name) => internalAddress(`${name}${at}@d${at % 10}.example`))
        .map((address) => ({ address, original: address, notify: 0 }));
      const sender = internalAddress(at % 2 === 0 ? "" : `a"b\x1b[31m${at}@example.org`);
      await draft.commit(
        { id, arrival: Date.now() - 3_600_000, sender, recipients, origin: {} },
        Buffer.from("Subject: x\r\n\r\n"),
      );
    };
    await Promise.all(Array.from({ length: messages / 2 }, (_, at) => put(at)));
    const why = {
      status: "4.4.1",
      text: "connect to\r\n d.example: \x1b]0;x\x07refused",
      action: "delayed",
    } as const;
    const due = await store.takeDue(Date.now(), messages);
    ids.push(...due);
    for (const id of due) {
      store.defer(id, Date.now() + 3_000_000, [{ index: 0, state: { is: "pending", why } }]);
    }
    await store.close();
  }
  spawnSync("chown", ["-R", mailOwner(), join(directory, "queue/mta")]);
  return { directory, ids };
}

/** Every file below a folder with its content and times: what looks on must not change. */
function stateOf(folder: string): string {
  const out = readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    const content = entry.isFile() ? Bun.hash(readFileSync(path)) : "";
    return `${path} ${ino} ${size} ${mtimeMs} ${ctimeMs} ${content}`;
  });
  return out.sort().join("\n");
}

const idsIn = (json: string) => json.trimEnd().split("\n").map((line) => JSON.parse(line).queue_id as string);

test("of a service that was killed the queue is read as it lies, and nothing of it is touched", async () => {
  const { directory, ids } = await filled(40);
  const server = await startServer({ directory, mainCf: ["worker_processes = 2"] });
  const running = await server.mta("postqueue", "-j");
  expect([running.code, running.stderr, idsIn(running.stdout).sort()]).toEqual([0, "", [...ids].sort()]);
  const pids = family(server.pid);
  server.signal("SIGKILL");
  await server.exited;
  const down = async () => (await server.mta("postqueue", "-p")).stderr.includes("Mail system is down");
  await until(
    "the workers to end, too",
    async () => await down() && !pids.some(isRunning),
  );
  const folder = join(directory, "queue/mta");
  const before = stateOf(folder);
  const killed = await server.mta("postqueue", "-j");
  const lines = (text: string) => text.trimEnd().split("\n").sort();
  expect([killed.code, lines(killed.stdout)]).toEqual([0, lines(running.stdout)]);
  expect(killed.stderr).toMatch(/^postqueue: warning: Mail system is down -- accessing queue directly \(/);
  const one = await server.mta("postcat", "-bq", ids[3]!);
  expect([one.code, one.stderr]).toEqual([0, ""]);
  expect(one.stdout).toMatch(/^\nbody \d+\n$/);
  const why = await server.mta("postqueue", "--why", ids[3]!);
  expect(why.stdout).toContain(`${ids[3]}: deferred, `);
  expect(why.stdout).toContain("4.4.1 (connect to?? d.example: ?]0;x?refused)");
  expect((await server.mta("qshape", "deferred")).stdout).toMatch(/ TOTAL +80 /);
  expect(
    (await server.mta("postqueue", "-j", "--to", ids.length > 0 ? "bob3@d3.example" : "")).stdout.trim()
      .split("\n"),
  )
    .toHaveLength(2);
  const forbidden = await mta(directory, ["postqueue", "-p"], NOBODY);
  expect([forbidden.code, forbidden.stdout]).toEqual([69, ""]);
  expect(forbidden.stderr).toMatch(
    /^postqueue: fatal: Queue report unavailable - mail system is down \(Connect to/,
  );
  expect(stateOf(folder)).toBe(before);
  // No lock was taken: it starts, with all of its mail.
  const again = await startServer({ directory, mainCf: ["worker_processes = 2"] });
  expect(idsIn((await again.mta("postqueue", "-j")).stdout).sort()).toEqual([...ids].sort());
  await again.stop();
});

test("a reader that goes away ends a listing quietly, and what is hostile in a message is shown as text", async () => {
  const { directory } = await filled(6000);
  const server = await startServer({
    directory,
    mainCf: ["worker_processes = 2", "enable_long_queue_ids = yes"],
  });
  for (const tool of ["postqueue -p", "mailq", "postqueue -j", "postqueue --json", "qshape -b 3 deferred"]) {
    const command =
      `${BINARY} -c ${server.configDirectory} ${tool} | head -1; echo "status \${PIPESTATUS[0]}"`;
    const ran = spawnSync("bash", ["-c", command], { encoding: "utf8", timeout: 60_000 });
    expect([tool, ran.stderr]).toEqual([tool, ""]);
    expect(ran.stdout).toMatch(/^[^\n]+\nstatus 0\n$/);
  }
  const { stdout } = await server.mta("postqueue", "-p");
  expect(/[\x00-\x1f\x7f-\x9f]/.exec(stdout.replaceAll("\n", ""))).toBeNull();
  expect(stdout.slice(0, 2000)).toContain('"a\\"b?[31m1"@example.org\n');
  expect(stdout.slice(-100)).toEndWith("\n\n-- 144 Kbytes in 6000 Requests.\n");
  // Recipients with a reason come first, and whose is unknown is said.
  expect(stdout.slice(0, 2000)).toMatch(
    /\n +\(connect to\?\? d\.example: \?\]0;x\?refused\)\n +bob\d+@d\d\.example\n +\(reason unavailable\)\n/,
  );
  await server.stop();
});

test("who may list, and see a message, is said by user lists; root and mail_owner may whatever they say", async () => {
  const { directory, ids } = await filled(4);
  const server = await startServer({ directory });
  const owner = Number(spawnSync("id", ["-u", mailOwner()], { encoding: "utf8" }).stdout);
  const asks = async (uid: number | undefined, ...args: string[]) => {
    const { code, stderr } = await mta(directory, args, uid);
    return [code, stderr];
  };
  expect(await asks(NOBODY, "postqueue", "-p")).toEqual([0, ""]);
  expect(await asks(NOBODY, "postqueue", "--why", ids[0]!)).toEqual([0, ""]);
  expect(await asks(NOBODY, "postcat", "-q", ids[0]!))
    .toEqual([1, `postcat: fatal: open queue file ${ids[0]}: Permission denied\n`]);
  server.writeMainCf([
    "authorized_mailq_users = root, !nobody, static:anyone",
    "authorized_flush_users = nobody",
  ]);
  expect((await server.mta("reload")).code).toBe(0);
  const refused = [69, `postqueue: fatal: User nobody(${NOBODY}) is not allowed to view the mail queue\n`];
  for (const args of [["-p"], ["-j"], ["--status", "hold"], ["--why", ids[0]!]]) {
    expect(await asks(NOBODY, "postqueue", ...args)).toEqual(refused);
  }
  expect(await asks(NOBODY, "qshape")).toEqual([1, `${refused[1]}`.replace("postqueue", "qshape")]);
  server.writeMainCf(["authorized_mailq_users =", "authorized_flush_users ="]);
  expect((await server.mta("reload")).code).toBe(0);
  for (const uid of [undefined, owner]) {
    expect(await asks(uid, "postqueue", "-p")).toEqual([0, ""]);
    expect(await asks(uid, "postcat", "-q", ids[0]!)).toEqual([0, ""]);
  }
  await server.stop();
});

/** Asks for a listing as another user and reads nothing of it: a process with that user's rights that holds connections open. */
function greedy(
  server: Server,
  connections: number,
  filter: string,
): { readonly said: () => string; readonly end: () => void } {
  const script = `
use IO::Socket::UNIX; $| = 1; my @held;
for (1..${connections}) {
  my $s = IO::Socket::UNIX->new(Peer => '${controlSocketPath(server.queueDirectory)}') or next;
  syswrite($s, '{"verb":"list","args":{${filter}}}' . "\\n"); push @held, $s;
}
sleep 1;
for my $s (@held) { $s->blocking(0); my $text; $s->recv($text, 200, 2); print "$text\\n"; }
print "held\\n"; sleep 600;`;
  const child = spawn("/usr/bin/perl", ["-e", script], {
    uid: NOBODY,
    gid: NOBODY,
    cwd: "/",
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk) => said += chunk);
  return { said: () => said, end: () => void child.kill("SIGKILL") };
}

test("a user who opens listings and reads none of them holds up neither mail nor root", async () => {
  const peer = await startSmtpPeer();
  const { directory, ids } = await filled(6000);
  const server = await startServer({
    directory,
    mainCf: ["worker_processes = 1", `default_transport = smtp:[127.0.0.1]:${peer.port}`],
  });
  const greeds = [
    greedy(server, 40, ""),
    greedy(server, 40, '"filter":{"from":["*nobody*"]}'),
  ];
  for (const each of greeds) {
    await until(() => `connections to be held: ${each.said()}`, () => each.said().includes("held"));
  }
  const together = greeds.map((each) => each.said()).join("");
  expect(together).toContain("too many connections to the control socket");
  expect(together).toContain("too many listings of the queue open");
  const listed = await server.mta("postqueue", "-j");
  expect([listed.code, idsIn(listed.stdout).length]).toEqual([0, ids.length]);
  const client = await talk(server.port);
  await client.say("EHLO client.example");
  for (let mail = 0; mail < 50; mail++) {
    await client.say("MAIL FROM:<a@example.org>");
    await client.say("RCPT TO:<b@elsewhere.example>");
    await client.say("DATA");
    expect(await client.say("Subject: x\r\n\r\nx\r\n.")).toStartWith("250");
  }
  client.end();
  await until("the mail to be delivered", () => peer.mails.length === 50);
  const busy = await mta(directory, ["postqueue", "-p"], NOBODY);
  expect([busy.code, busy.stderr]).toEqual([69, expect.stringContaining("too many")]);
  for (const each of greeds) each.end();
  await until(
    "the places to be free again",
    async () => (await mta(directory, ["postqueue", "-p"], NOBODY)).code === 0,
  );
  await server.stop();
  await peer.close();
});
