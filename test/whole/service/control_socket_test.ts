// The control socket of the compiled binary, run by root, while other local users mean harm: memory of master stays where it is, and
// root's own commands work at once.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { askService } from "../../../src/master/control/control_client.ts";
import { NOBODY, runAsUser, type UsersProgram } from "../../kit/servers/local_user.ts";
import type { QueueId } from "../../../src/queue/envelope.ts";
import { printQueueId } from "../../../src/queue/queue_id.ts";
import { memoryOf } from "../../kit/process_memory.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { startWatch, until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test: asRoot } = withPeers(import.meta.path, "dist/mta", "root");

setDefaultTimeout(180_000);
const MiB = 1024 * 1024;
/** How much larger than before an attack master may be. */
const ROOM = 48 * MiB;

/** All mail is held: nothing is under way but what the tests ask for. */
const MAIN_CF = [
  "mydestination = example.com",
  "local_recipient_maps =",
  "smtpd_client_restrictions = check_client_access static:HOLD",
];

let server: Server;
let path = "";
const programs: UsersProgram[] = [];

beforeAll(async () => {
  server = await startServer({
    mainCf: MAIN_CF,
  });
  path = join(server.queueDirectory, "control/socket");
  await server.mta("flush");
});

afterAll(async () => {
  await server?.stop();
});

function attack(script: string, ...args: readonly string[]): UsersProgram {
  const program = runAsUser(script, [path, ...args]);
  programs.push(program);
  return program;
}

async function afterwards(): Promise<void> {
  await Promise.all(programs.splice(0).map((each) => each.end()));
}

// Also of a test that fails: what its programs do would spoil the next ones.
afterEach(afterwards);

/** What root's commands need of the service comes at once: asked here, without the start of a process. */
async function answersInTime(): Promise<void> {
  const { queueDirectory } = server;
  const heldUp = startWatch();
  expect(await askService({ queueDirectory, verb: "status", args: {} })).toMatchObject({ is: "done" });
  expect(await askService({ queueDirectory, verb: "flush", args: { all: true } })).toMatchObject({
    is: "done",
  });
  expect(heldUp()).toBe(false);
}

/** The commands themselves work. */
async function commandsWork(): Promise<void> {
  for (const command of ["flush", "reload", "status"]) {
    const { code, stderr } = await server.mta(command);
    expect({ command, code, stderr }).toMatchObject({ code: 0 });
  }
  expect(JSON.parse((await server.mta("status", "--json")).stdout).workers).toHaveLength(1);
}

/** Opens so many connections and writes so many bytes to each; says when all are open or have been sent away. */
const CROWD = `
const [path, count, bytes] = [args[0], Number(args[1]), Number(args[2])];
let settled = 0;
const one = () => { if (++settled === count) console.log("all there"); };
for (let i = 0; i < count; i++) {
  let done = () => { done = () => {}; one(); };
  const socket = connect(path, () => { if (bytes > 0) socket.write("[".repeat(bytes - 1) + "\\n"); setTimeout(() => done(), 200); });
  socket.on("error", () => {}).on("data", () => {}).on("close", () => done());
}`;

asRoot("64 connections of 4 MiB of brackets cost another user's master neither memory nor time", async () => {
  const before = memoryOf(server.pid);
  const crowd = attack(CROWD, "64", String(4 * MiB));
  await crowd.said(/all there/);
  await answersInTime();
  await commandsWork();
  expect(memoryOf(server.pid).peak - before.peak).toBeLessThan(ROOM);
});

asRoot("200 connections that say nothing leave root its own: status, flush and reload work", async () => {
  const before = memoryOf(server.pid);
  const crowd = attack(CROWD, "200", "0");
  await crowd.said(/all there/);
  await answersInTime();
  await commandsWork();
  expect(memoryOf(server.pid).peak - before.peak).toBeLessThan(ROOM);
});

/** Connects again as soon as it is sent away, from many sides, for as long as it lives. */
const STORM = `
let count = 0;
const again = () => {
  if (++count % 2000 === 0) console.log("raging");
  const socket = connect(args[0]);
  socket.on("error", () => {}).on("data", () => {}).on("close", () => setImmediate(again));
};
for (let i = 0; i < 200; i++) again();`;

asRoot("a storm of connections leaves root a way in, and no memory is lost to it", async () => {
  const storm = attack(STORM);
  await storm.said(/raging/);
  // The first connections of a storm leave code and garbage of some 40 MiB; what more of it takes would go on growing.
  const before = memoryOf(server.pid);
  for (let round = 0; round < 5; round++) await answersInTime();
  for (let thousand = 0; thousand < 10; thousand += 2) await storm.said(/raging/);
  await commandsWork();
  expect(memoryOf(server.pid).peak - before.peak).toBeLessThan(ROOM);
});

/** One connection that sends something and prints what comes back. */
const ASK = `
const socket = connect(args[0], () => socket.write(args[1]));
socket.on("error", () => {});
socket.on("data", (chunk) => process.stdout.write(chunk));
socket.on("end", () => socket.destroy());
socket.on("close", () => console.log("closed"));`;

asRoot("what a user may ask is decided before a word of the arguments is read", async () => {
  const listing = attack(ASK, '{"verb":"list","args":{}}\n');
  expect(await listing.said(/done|fault/)).toBe('{"done":0}');
  for (const verb of ["reload", "stop", "abort", "move", "metrics", "explain"]) {
    const asked = attack(ASK, `{"verb":"${verb}","args":17}\n`);
    expect(await asked.said(/done|fault/)).toBe(
      `{"fault":{"kind":"forbidden","why":"user ${NOBODY.uid} may not use \\"${verb}\\""}}`,
    );
  }
});

/** What somebody hears who is sent away; so many at most are told why at a time, and the crowds of the tests before may still be. */
async function heardAway(request: string): Promise<string> {
  for (;;) {
    const asked = attack(ASK, request);
    const word = await asked.said(/done|fault|closed/);
    if (word === "closed") continue;
    await asked.said(/closed/);
    return word;
  }
}

asRoot("who may ask nothing is sent away at once, whatever he sends", async () => {
  server.writeMainCf([...MAIN_CF, "authorized_mailq_users =", "authorized_flush_users = root"]);
  expect((await server.mta("reload")).code).toBe(0);
  const asked = await heardAway('{"verb":"list","args":{}}\n');
  expect(asked).toContain('"kind":"forbidden","why":"user 65534 may not use the control socket');
  server.writeMainCf(MAIN_CF);
  expect((await server.mta("reload")).code).toBe(0);
});

/** Asks for the listing again and again and never reads. */
const DEAF = `
let open = 0;
for (let i = 0; i < 4; i++) {
  const socket = connect(args[0], () => { socket.pause(); socket.write('{"verb":"list","args":{}}\\n'); if (++open === 4) console.log("all there"); });
  socket.on("error", () => {});
}`;

/** Sends a message to so many. */
async function sendToMany(recipients: number): Promise<void> {
  const session = await talk(server.port);
  await session.say("EHLO client.example.com");
  await session.say("MAIL FROM:<ann@example.com>");
  const domain = "@example.com";
  session.send(
    Array.from({ length: recipients }, (_, n) => `RCPT TO:<${"x".repeat(50)}${n}${domain}>\r\n`).join(""),
  );
  for (let n = 0; n < recipients; n++) expect(await session.reply()).toStartWith("250");
  await session.say("DATA");
  expect(await session.say("Subject: x\r\n\r\nx\r\n.")).toStartWith("250");
  session.end();
}

asRoot("listings that nobody reads wait, in no process's memory, and root's listing is whole", async () => {
  for (let i = 0; i < 25; i++) await sendToMany(900);
  const before = memoryOf(server.pid);
  const deaf = attack(DEAF);
  await deaf.said(/all there/);
  await answersInTime();
  const [ids, { queueDirectory }] = [new Map<string, number>(), server];
  const answer = await askService({
    queueDirectory,
    verb: "list",
    args: { filter: { status: ["hold"] } },
    row({ id, recipients, continued }) {
      expect(continued === true).toBe(ids.has(id));
      ids.set(id, (ids.get(id) ?? 0) + recipients.length);
    },
  });
  expect(answer).toEqual({ is: "done", value: 25 });
  expect([...ids.values()]).toEqual(Array(25).fill(900));
  expect(memoryOf(server.pid).peak - before.peak).toBeLessThan(ROOM);
});

asRoot("a message is shown whole, and moved by its id, however many ids there are", async () => {
  const { queueDirectory } = server;
  const ids: QueueId[] = [];
  await askService({ queueDirectory, verb: "list", args: {}, row: ({ id }) => void ids.push(id) });
  const [id] = ids;
  const pieces: string[] = [];
  let recipients = 0;
  const shown = await askService({
    queueDirectory,
    verb: "cat",
    args: { id: id! },
    row(piece) {
      if (piece.is === "envelope") expect<unknown>(piece.envelope.sender).toBe("ann@example.com");
      if (piece.is === "recipients") recipients += piece.recipients.length;
      if (piece.is === "content") pieces.push(Buffer.from(piece.base64, "base64").toString());
    },
  });
  expect(shown).toEqual({ is: "done", value: 1 });
  expect(recipients).toBe(900);
  expect(pieces.join("")).toContain("Subject: x");
  const all = [...new Set(ids)];
  const none = Array.from({ length: 3000 }, (_, n) => printQueueId({ a: 0, b: n, c: 7 }));
  let deleted = 0;
  const moved = await askService({
    queueDirectory,
    verb: "move",
    args: { move: "delete" },
    items: [...none, ...all.slice(1)],
    row: ({ counts }) => void (deleted += counts.deleted ?? 0),
  });
  expect([moved, deleted]).toEqual([{ is: "done", value: null }, 24]);
  expect(await askService({ queueDirectory, verb: "counts", args: {} }))
    .toMatchObject({ is: "done", value: { hold: 1, deferred: 0 } });
});

asRoot("a connection that drips its request is cut off, and its place is free again", async () => {
  const drip = attack(`
const socket = connect(args[0], () => console.log("there"));
const timer = setInterval(() => socket.write("["), 50);
socket.on("error", () => {}).on("close", () => { clearInterval(timer); console.log("closed"); });`);
  await drip.said(/there/);
  await drip.said(/closed/);
});

asRoot("mail_owner, who a worker that was taken over is, cannot take root's places either", async () => {
  const workers = JSON.parse((await server.mta("status", "--json")).stdout).workers;
  const { uid } = {
    uid: Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${workers[0].pid}/status`, "latin1"))![1]),
  };
  expect(uid).toBeGreaterThan(0);
  const crowd = runAsUser(CROWD, [path, "200", "0"], { uid, gid: uid });
  programs.push(crowd);
  await crowd.said(/all there/);
  await answersInTime();
  await commandsWork();
});

asRoot("no descriptor is left of all that", async () => {
  const open = () => readdirSync(`/proc/${server.pid}/fd`).length;
  const before = open();
  const storm = attack(CROWD, "100", "0");
  await storm.said(/all there/);
  await afterwards();
  await until(() => `${before} descriptors in place of ${open()}`, async () => {
    await new Promise<void>((done) => {
      const socket = connect(path, () => socket.destroy());
      socket.on("close", () => done());
    });
    return open() <= before;
  });
});
