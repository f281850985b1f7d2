// spawn(8) beside the real one: what a command is run with, what the log says of its end, and a policy server behind it.
import { expect, setDefaultTimeout } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { answerOf } from "../../kit/ask_socket.ts";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";

const { test: asRoot } = withPeers(import.meta.path, "dist/mta", "root", "postfix");
setDefaultTimeout(180_000);

/** Does what the first line of the connection says. */
const COMMAND = `#!/bin/sh
read line
case "$line" in
facts)
  id -u; id -g; id -G; umask; env | sort; echo "args: $*"; grep -E 'Sig(Ign|Blk)|Cap(Eff|Prm)' /proc/self/status
  test "$(ps -o sid= -p $$)" -eq $$ && echo "a session of its own"
  grep flags /proc/self/fdinfo/0; for f in /proc/$$/fd/*; do [ -L "$f" ] && printf '%s ' "\${f##*/}"; done; echo "to standard error" >&2;;
exit) exit 3;;
kill) kill -15 $$; sleep 1;;
fine) echo fine;;
nap) sleep 1; echo rested;;
hang) echo hanging; exec sleep 5;;
esac
`;

const POLICY = `#!/bin/sh
while read line; do
  case "$line" in
  recipient=*) to="\${line#recipient=}";;
  "") case "$to" in bad@*) echo "action=REJECT not to $to";; *) echo action=DUNNO;; esac; echo;;
  esac
done
`;

interface System {
  readonly queue: string;
  readonly port: number;
  readonly inet: number;
  log(): string;
  logged(pattern: RegExp): Promise<unknown>;
  stop(): Promise<unknown> | void;
}

const MAIN: Readonly<Record<string, string>> = {
  mydestination: "example.com",
  local_recipient_maps: "",
  local_transport: "discard:",
  smtpd_recipient_restrictions: "check_policy_service unix:private/policy, reject_unauth_destination",
  smtpd_relay_restrictions: "reject_unauth_destination",
  export_environment: "TZ MAIL_CONFIG LANG NAME=value",
  slow_time_limit: "1s",
};

const entries = (folder: string, inet: number) =>
  `
policy unix - n n - 0 spawn user=nobody argv=${folder}/policy
tool unix - n n - 0 spawn user=nobody argv=${folder}/command {two words} $name last
open unix n n n - 0 spawn user=nobody:daemon argv=${folder}/command
one unix - n n - 1 spawn user=nobody argv=${folder}/command
slow unix - n n - 0 spawn user=nobody argv=${folder}/command
gone unix - n n - 0 spawn user=nobody argv=${folder}/nosuch
127.0.0.1:${inet} inet n n n - 0 spawn user=nobody argv=${folder}/command
`.trim().split("\n");

async function both(run: (system: System) => Promise<unknown>): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mta-spawn-"));
  fs.chmodSync(folder, 0o755);
  fs.writeFileSync(path.join(folder, "command"), COMMAND, { mode: 0o755 });
  fs.writeFileSync(path.join(folder, "policy"), POLICY, { mode: 0o755 });
  const accounts: unknown[] = [];
  try {
    for (const start of [theirs, ours]) {
      const system = await start(folder);
      try {
        accounts.push(await run(system));
      } finally {
        await system.stop();
      }
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  expect(accounts[1]).toEqual(accounts[0]);
}

async function theirs(folder: string): Promise<System> {
  const [port, inet] = [await freePort(), await freePort()];
  const postfix = await startPostfix({
    main: MAIN,
    master: [`127.0.0.1:${port} inet n - n - - smtpd`, ...entries(folder, inet)].join("\n"),
  });
  await postfix.waitForLog(/daemon started/);
  const queue = postfix.configDirectory.replace(/etc$/, "queue");
  return { queue, port, inet, log: postfix.log, logged: postfix.waitForLog, stop: postfix.stop };
}

async function ours(folder: string): Promise<System> {
  const inet = await freePort();
  const server = await startServer({
    mainCf: Object.entries(MAIN).map(([name, value]) => `${name} = ${value}`),
    masterCf: entries(folder, inet),
    env: { LANG: "C" },
  });
  const { queueDirectory: queue, port, log, logged, stop } = server;
  return { queue, port, inet, log, logged, stop };
}

const spawnLines = (log: string) =>
  log.split("\n").flatMap((line) => /\/spawn\[\d+\]: (.*)/.exec(line)?.[1] ?? [])
    .map((text) => text.replace(/\/\S*\/mta-spawn-\w+/, "DIR").replace(/process id \d+/, "process id N"));

asRoot(
  "a command has the user, group, session, environment, signals and descriptors of Postfix's",
  async () => {
    await both(async ({ queue, inet }) => {
      const plain = (text: string) =>
        text.replace(/MAIL_CONFIG=\S+/, "MAIL_CONFIG=DIR").replace(/PWD=\S+/, "PWD=DIR");
      return {
        unix: plain(await answerOf(`${queue}/private/tool`, "facts")),
        public: plain(await answerOf(`${queue}/public/open`, "facts")),
        inet: plain(await answerOf(inet, "facts")),
      };
    });
  },
);

asRoot("the log says how a command ended, where it did not end well", async () => {
  await both(async ({ queue, log, logged }) => {
    const answers = [];
    for (const word of ["fine", "exit", "kill"]) answers.push(await answerOf(`${queue}/private/tool`, word));
    await logged(/killed by signal 15/);
    answers.push(await answerOf(`${queue}/private/gone`, "facts", 1000));
    await logged(/nosuch exit status 1/);
    // Postfix writes the two lines of a program that cannot be run from two processes.
    return [answers.slice(0, 3), spawnLines(log()).sort()];
  });
});

asRoot("a command that takes longer than its service's time limit is named in the log", async () => {
  await both(async ({ queue, log, logged }) => {
    void answerOf(`${queue}/private/slow`, "hang", 10_000);
    await logged(/command time limit exceeded/);
    return spawnLines(log()).filter((text) => text.includes("limit"));
  });
});

asRoot(
  "no more commands run at a time than the entry says, and who comes then waits for one to end",
  async () => {
    await both(async ({ queue }) => {
      const order: string[] = [];
      const ask = async (word: string) => order.push(await answerOf(`${queue}/private/one`, word));
      await Promise.all([ask("nap"), ask("fine"), ask("fine")]);
      return order;
    });
  },
);

asRoot("check_policy_service reaches a policy server that spawn(8) runs", async () => {
  await both(async ({ port }) => {
    const client = await talk(port);
    const replies = [];
    for (
      const line of [
        "EHLO client.example",
        "MAIL FROM:<a@b.example>",
        "RCPT TO:<good@example.com>",
        "RCPT TO:<bad@example.com>",
        "QUIT",
      ]
    ) {
      const reply = await client.say(line);
      if (line.startsWith("RCPT")) replies.push(reply);
    }
    client.end();
    expect(replies[1]).toContain("not to bad@example.com");
    return replies;
  });
});
