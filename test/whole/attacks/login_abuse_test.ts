// Guessing of passwords against the compiled program: counted in one place for all workers, shut out for a time, and nobody else suffers.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { memoryOf } from "../../kit/process_memory.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

/** Guesses of the attack; the figures in docs/security.md are of more. */
const GUESSES = Number(process.env.MTA_GUESSES ?? 1500);
const ADDRESSES = 5000;

let server: Server;

function start(directory?: string): Promise<Server> {
  return startServer({
    ...(directory !== undefined && { directory }),
    mainCf: [
      "worker_processes = 2",
      "smtpd_sasl_auth_enable = yes",
      "smtpd_sasl_type = internal",
      "smtpd_sasl_local_domain = example.com",
      "smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination",
      "smtpd_client_connection_count_limit = 0",
      "smtpd_peername_lookup = no",
      "mynetworks = 192.0.2.1",
      "login_failure_exceptions =",
      "login_failure_limit = 4",
      "login_failure_network_limit = 20",
      "local_recipient_maps =",
      "local_transport = discard",
      "mydestination = example.com",
    ],
  });
}

beforeAll(async () => {
  server = await start();
  for (const name of ["ann@example.com", "bob@example.com"]) {
    const args = ["-c", server.configDirectory, "user", "add", name];
    expect(await runMta(args, { input: "her secret\n" })).toMatchObject({ code: 0, stderr: "" });
  }
  // Each worker looks at the table once a second; each failure until then is another client's.
  let turn = 0;
  await until("the users that were made log in, whichever worker they come to", async () => {
    for (let passed = 0; passed < 12; passed++) {
      const reply = await guess(`127.201.${turn++ % 256}.1`, "bob", "her secret");
      if (!reply.startsWith("235 ")) return false;
    }
    return true;
  });
}, 120_000);
afterAll(() => server?.stop());

/** Lines and replies of a session that begins at an address of 127.0.0.0/8. */
function open(localAddress: string) {
  const socket: Socket = connect({ port: server.port, host: "127.0.0.1", localAddress });
  let text = "";
  let tell = () => {};
  let ended = false;
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    text += chunk;
    tell();
  });
  for (const event of ["error", "close"]) {
    socket.on(event, () => {
      ended = true;
      tell();
    });
  }
  const reply = async (): Promise<string> => {
    for (;;) {
      const whole = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text);
      if (whole !== null) {
        text = text.slice(whole[0].length);
        return whole[0].trimEnd();
      }
      if (ended) return "closed";
      await new Promise<void>((resolve) => tell = resolve);
    }
  };
  const say = (line: string) => {
    socket.write(`${line}\r\n`);
    return reply();
  };
  return { reply, say, end: () => socket.destroy() };
}

const plain = (user: string, secret: string) =>
  `AUTH PLAIN ${Buffer.from(`\0${user}\0${secret}`).toString("base64")}`;

/** One session with one try; answers the reply to it. */
async function guess(address: string, user: string, secret: string): Promise<string> {
  const smtp = open(address);
  await smtp.reply();
  await smtp.say("EHLO client.example");
  const answer = await smtp.say(plain(user, secret));
  smtp.end();
  return answer;
}

const FAILED = "535 5.7.8 Error: authentication failed: (reason unavailable)";

describe("an address that guesses", () => {
  test(
    "is refused whichever worker it comes to, after a reload and a restart too, until it is let in again",
    async () => {
      const replies = [];
      for (let turn = 0; turn < 4; turn++) replies.push(await guess("127.1.1.1", "ann", "wrong"));
      expect(replies).toEqual([FAILED, FAILED, FAILED, FAILED]);
      const refused =
        "421 4.7.0 mail.example.com Error: too many failed logins from 127.1.1.1, try again in 60 min";
      for (let turn = 0; turn < 8; turn++) {
        expect(await guess("127.1.1.1", "ann", "her secret")).toBe(refused);
      }
      await server.logged(/warning: too many failed logins: 4 of address 127\.1\.1\.1: refused for 3600 s/);
      expect((await server.mta("reload")).code).toBe(0);
      expect(await guess("127.1.1.1", "ann", "her secret")).toBe(refused);
      const { directory } = server;
      await server.stop({ keep: true });
      server = await start(directory);
      expect(await guess("127.1.1.1", "ann", "her secret")).toMatch(/^421 4\.7\.0 .*, try again in \d+ min$/);
      const list = await server.mta("ban", "list", "--json");
      expect(JSON.parse(list.stdout)).toEqual({
        bans: [{ kind: "address", what: "127.1.1.1", failures: 4, until: expect.any(Number) }],
      });
      expect((await server.mta("ban", "list")).stdout).toMatch(
        /^address {2}127\.1\.1\.1 +4 failed, until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n$/,
      );
      expect(await server.mta("ban", "remove", "127.1.1.1", "127.9.9.9")).toMatchObject({
        code: 1,
        stderr: "mta ban: 1 of 2 removed: the others were not there\n",
      });
      expect(await guess("127.1.1.1", "ann", "her secret")).toBe("235 2.7.0 Authentication successful");
      expect((await server.mta("ban", "list")).stdout).toBe("");
      expect(await server.mta("ban", "remove")).toMatchObject({ code: 64 });
    },
    120_000,
  );
});

/** Mail of a user who logs in; answers how long the login took, ms. */
async function submit(address: string): Promise<number> {
  const smtp = open(address);
  await smtp.reply();
  await smtp.say("EHLO client.example");
  const from = performance.now();
  expect(await smtp.say(plain("ann", "her secret"))).toBe("235 2.7.0 Authentication successful");
  const took = performance.now() - from;
  for (const line of ["MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>"]) {
    expect(await smtp.say(line)).toStartWith("250 ");
  }
  expect(await smtp.say("DATA")).toStartWith("354 ");
  expect(await smtp.say("Subject: x\r\n\r\nx\r\n.")).toStartWith("250 ");
  smtp.end();
  return took;
}

/** Resident memory of master and of what it started, MiB. */
function memory(): string {
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "latin1").trim().split(
    " ",
  );
  return [server.pid, ...children.map(Number)].map((pid) => (memoryOf(pid).now / 2 ** 20).toFixed(0)).join(
    "+",
  );
}

test(`while ${GUESSES} guesses come from ${ADDRESSES} addresses, users log in and mail flows`, async () => {
  await submit("127.200.0.1");
  const [before, began] = [memory(), performance.now()];
  const codes = new Map<string, number>();
  const course: string[] = [];
  let next = 0;
  const attacker = async () => {
    while (next < GUESSES) {
      if (next % Math.ceil(GUESSES / 10) === 0) course.push(memory());
      const at = next++ % ADDRESSES;
      const address = `127.${100 + Math.floor(at / 250 / 250)}.${Math.floor(at / 250)}.${1 + at % 250}`;
      const code = (await guess(address, at % 2 === 0 ? "ann" : `user${at}`, "wrong")).slice(0, 3);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  };
  const attack = Promise.all(Array.from({ length: 256 }, attacker));
  let over = false;
  void attack.finally(() => over = true);
  const times: number[] = [];
  do times.push(await submit("127.200.0.1")); while (!over);
  await attack;
  times.sort((one, other) => one - other);
  console.log(
    `# ${times.length} logins meanwhile: median ${times[times.length >> 1]!.toFixed(0)} ms, ` +
      `slowest ${times.at(-1)!.toFixed(0)} ms; replies to guesses: ${JSON.stringify([...codes])}; ` +
      `${
        ((performance.now() - began) / 1000).toFixed(0)
      } s; MiB of master and workers, from tenth to tenth: ` +
      [before, ...course, memory()].join(" "),
  );
  expect([...codes.keys()].filter((code) => !["535", "421", "454"].includes(code))).toEqual([]);
  expect(codes.get("421")).toBeGreaterThan(GUESSES / 20);
  const bans = JSON.parse((await server.mta("ban", "list", "--json")).stdout).bans as { kind: string }[];
  expect(new Set(bans.map(({ kind }) => kind))).toContain("network");
  expect(times.at(-1)).toBeLessThan(30_000);
  expect(await server.mta("ban", "remove", "ALL", "--json")).toMatchObject({
    code: 0,
    stdout: `{"removed":${bans.length}}\n`,
  });
}, 900_000 + GUESSES * 50);
