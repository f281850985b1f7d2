// The log on a standard output that nobody reads: mail goes on.
import { expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { banner, BINARY, freePort, mailOwner } from "../../kit/server.ts";
import { endOf } from "../../kit/servers/ending.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { sendMessage, talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test: whole } = withPeers(import.meta.path, "dist/mta");
setDefaultTimeout(180_000);

/** Far more lines than a pipe or a socket holds, each of some 200 bytes. */
const REFUSALS = 4000;

function configured(directory: string, port: number): void {
  chmodSync(directory, 0o755);
  for (const name of ["queue", "data"]) mkdirSync(join(directory, name));
  const main = [
    "compatibility_level = 3.6",
    "myhostname = mail.example.com",
    `mail_owner = ${mailOwner()}`,
    `queue_directory = ${directory}/queue`,
    `data_directory = ${directory}/data`,
    "inet_interfaces = 127.0.0.1",
    "maillog_file = /dev/stdout",
    "worker_processes = 2",
    "http_listen =",
    "mydestination = example.com",
    "local_recipient_maps =",
    "mynetworks =",
    "smtpd_relay_restrictions = defer_unauth_destination",
    "default_transport = discard",
    "local_transport = discard",
    "smtpd_recipient_limit = 1000000",
    "smtpd_soft_error_limit = 1000000",
    "smtpd_hard_error_limit = 1000000",
  ];
  writeFileSync(join(directory, "main.cf"), main.join("\n") + "\n");
  const services = ["cleanup", "qmgr", "discard", "bounce"].map((name) => `${name} unix - - n - 0 ${name}`);
  const master = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    "rewrite unix - - n - - trivial-rewrite",
    ...services,
  ];
  writeFileSync(join(directory, "master.cf"), master.join("\n") + "\n");
}

/** Makes each worker log a lot. */
async function makeNoise(port: number): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, async () => {
    const client = await talk(port);
    await client.say("EHLO client.example");
    await client.say("MAIL FROM:<a@example.com>");
    for (let i = 0; i < REFUSALS / 8; i++) {
      expect(await client.say(`RCPT TO:<u${i}-${"x".repeat(50)}@elsewhere.example>`)).toMatch(/^4/);
    }
    client.end();
  }));
}

async function goesOn(port: number, child: { readonly exitCode: number | null }): Promise<void> {
  await until("a banner", async () => await banner(port) !== undefined);
  await makeNoise(port);
  for (let i = 0; i < 5; i++) {
    expect(await sendMessage(port, { from: "a@example.com", to: "b@example.com" })).toStartWith("250 2.0.0");
  }
  expect(child.exitCode).toBeNull();
}

whole(
  "mail goes on when nobody reads the pipe that the log is written to, and no line is lost once it is read",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "mta-stuck-"));
    const port = await freePort();
    configured(directory, port);
    const pipe = join(directory, "pipe");
    spawnSync("mkfifo", [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const output = openSync(pipe, "w");
    const child = spawnTied(BINARY, ["-c", directory, "serve"], { stdio: ["ignore", output, "ignore"] });
    closeSync(output);
    try {
      await goesOn(port, child);
      let text = "";
      const chunk = Buffer.alloc(64 * 1024);
      await until("all refusals in the log", () => {
        try {
          for (let n = readSync(reader, chunk); n > 0; n = readSync(reader, chunk)) {
            text += chunk.toString("latin1", 0, n);
          }
        } catch { /* it is empty for now */ }
        return text.split(": reject: RCPT").length > REFUSALS;
      });
      expect(text).not.toContain("missing here");
      const torn = text.split("\n").filter((line) =>
        line !== "" && !/^\w{3} .{11} \S+ postfix\/\w+\[\d+\]: /.test(line)
      );
      expect(torn).toEqual([]);
    } finally {
      expect(await endOf(child)).toBe(0);
      closeSync(reader);
      rmSync(directory, { recursive: true });
    }
  },
);

whole("nor does it wait for a socket that nobody reads, and a stop ends it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "mta-stuck-"));
  const port = await freePort();
  configured(directory, port);
  const child = spawnTied(BINARY, ["-c", directory, "serve"], { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout!.pause();
  try {
    await goesOn(port, child);
  } finally {
    const ended = new Promise((done) => child.on("exit", done));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    child.stdout!.destroy();
    rmSync(directory, { recursive: true });
  }
});
