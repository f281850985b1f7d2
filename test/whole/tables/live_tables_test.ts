// Tables that are edited, made anew, broken and mended under the running server: who is there is never refused meanwhile.
import { expect } from "bun:test";
import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Server, startServer } from "../../kit/server.ts";
import { type Talk, talk } from "../../kit/talk.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { withPeers } from "../../kit/peers.ts";
import { startWatch, until, untilNextTick } from "../../kit/waiting.ts";
import { chanceOf } from "../../kit/chance.ts";

const chance = chanceOf(import.meta.path);

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

const USERS = 2000;
const people = (note: string) =>
  Array.from({ length: USERS }, (_, at) => `user${at}@example.org ${note.repeat(at % 200)}x\n`).join("");
const TYPES = ["hash", "lmdb", "cdb", "texthash"] as const;
let server: Server;
const at = (name: string) => join(server.configDirectory, name);

beforeAll(async () => {
  server = await startServer({
    mainCf: [
      "mydestination =",
      `virtual_mailbox_domains = ${TYPES.map((type) => `${type}.example`).join(", ")}, example.org`,
      `virtual_mailbox_maps = ${TYPES.map((type) => `${type}:$config_directory/${type}`).join(", ")}`,
      "smtpd_recipient_restrictions = reject_unauth_destination, reject_unlisted_recipient",
      "smtpd_error_sleep_time = 0",
      "smtpd_soft_error_limit = 100000",
      "smtpd_hard_error_limit = 100000",
    ],
    files: Object.fromEntries(
      TYPES.map((type) => [type, type === "hash" ? people("a") : "nobody@example.org x\n"]),
    ),
  });
  for (const type of ["hash", "lmdb", "cdb"]) spawnSync("/usr/sbin/postmap", [`${type}:${at(type)}`]);
}, 180_000);
afterAll(async () => void await server?.stop());

async function client(): Promise<Talk> {
  const opened = await talk(server.port);
  await opened.say("EHLO client.example");
  return opened;
}

async function rcpt(to: Talk, user: string): Promise<string> {
  await to.say("MAIL FROM:<me@example.com>");
  const reply = await to.say(`RCPT TO:<${user}@example.org>`);
  await to.say("RSET");
  return reply.slice(0, 3);
}

async function answered(to: Talk, user: string, code: string): Promise<void> {
  await until(`${code} for ${user}`, async () => await rcpt(to, user) === code);
}

function loop(script: string): ChildProcess {
  return spawnTied("bash", ["-c", `while :; do ${script}; done`], {
    cwd: server.configDirectory,
    detached: true,
    stdio: "ignore",
  });
}

describe("tables under the running server", () => {
  test("made anew by Postfix's postmap without end, they refuse nobody who is there", async () => {
    for (const note of ["a", "b"]) writeFileSync(at(`people.${note}`), people(note));
    const put = (type: string, note: string) =>
      `cp people.${note} n.${type} && touch -d 2001-01-01 n.${type} && mv n.${type} ${type} && /usr/sbin/postmap ${type}:${type}`;
    const writers = ["hash", "lmdb"].map((type) => loop(`${put(type, "b")}; ${put(type, "a")}`));
    const seen = new Set<string>();
    try {
      const session = await client();
      for (const end = Date.now() + 2500; Date.now() < end;) {
        seen.add(await rcpt(session, `user${Math.floor(chance.random() * USERS)}`));
      }
      session.end();
    } finally {
      for (const writer of writers) {
        const gone = once(writer, "exit");
        process.kill(-writer.pid!, "SIGKILL");
        await gone;
      }
    }
    // A postmap that was killed may have left half a table.
    for (const type of ["hash", "lmdb"]) spawnSync("/usr/sbin/postmap", [`${type}:${at(type)}`]);
    expect([...seen]).toEqual(["250"]);
  });

  test(
    "a pipe in a table's place is 451 and holds nobody up; the table is back when the file is",
    async () => {
      const session = await client();
      spawnSync("mkfifo", [at("pipe")]);
      renameSync(at("texthash"), at("texthash.kept"));
      renameSync(at("pipe"), at("texthash"));
      await answered(session, "somebody", "451");
      const heldUp = startWatch();
      expect(await rcpt(session, "somebody")).toBe("451");
      expect(heldUp()).toBe(false);
      expect(await server.logged(/texthash:\S+.*Not a plain file/)).toBeTruthy();
      unlinkSync(at("texthash"));
      renameSync(at("texthash.kept"), at("texthash"));
      await answered(session, "somebody", "550");
      session.end();
    },
    20_000,
  );

  test(
    "half a text file is not believed: who stands in the other half is not refused while it is written",
    async () => {
      const session = await client();
      const whole = "early@example.org x\nlate@example.org x\n";
      rmSync(at("texthash"), { force: true });
      writeFileSync(at("texthash"), whole);
      await answered(session, "late", "250");
      await untilNextTick(1200); // past the second in which a file counts as new
      const seen = new Set<string>();
      for (let turn = 0; turn < 15; turn++) {
        writeFileSync(at("texthash"), `early@example.org ${"x".repeat(turn + 1)}\n`);
        seen.add(await rcpt(session, "late"));
        await untilNextTick(100); // so that the file is looked at in the middle of the writing, too
      }
      expect([...seen]).toEqual(["250"]);
      rmSync(at("texthash"));
      writeFileSync(at("texthash"), "early@example.org x\n");
      await answered(session, "late", "550");
      session.end();
    },
    20_000,
  );
});
