// What an ordinary user may, beside the real sendmail: its configuration directories, sessions on standard input, refusals.
// /etc/postfix is ours in a mount namespace, so that the real one's own main.cf says what the test says.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DROP_FOLDER_MODE } from "../../../src/pickup/drop/drop_folder.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY } from "../../kit/server.ts";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";

setDefaultTimeout(120_000);
const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "postfix", "root");
let nobody: Account;
let place = "";

beforeAll(() => {
  nobody = userNamed("nobody");
  place = fs.mkdtempSync(join(tmpdir(), "sendmail-users-"));
  fs.chmodSync(place, 0o755);
  for (
    const name of [
      "etc",
      "other",
      "allowed",
      "closed",
      "queue",
      "queue/drop",
      "queue/maildrop",
      "queue/public",
    ]
  ) {
    fs.mkdirSync(join(place, name));
  }
  const { uid, gid } = userNamed("postfix");
  fs.chownSync(join(place, "queue/drop"), uid, gid);
  fs.chmodSync(join(place, "queue/drop"), DROP_FOLDER_MODE);
  fs.chownSync(join(place, "queue/maildrop"), uid, groupOf("postdrop"));
  fs.chmodSync(join(place, "queue/maildrop"), 0o730);
  const lines = [
    "compatibility_level = 3.6",
    `queue_directory = ${place}/queue`,
    "myhostname = mail.example.com",
    "mail_name = Postfix",
    "alias_database =",
    "notify_classes =",
    `alternate_config_directories = ${place}/allowed`,
    "",
  ].join("\n");
  for (const name of ["etc", "other", "allowed", "closed"]) {
    fs.writeFileSync(join(place, name, "main.cf"), lines);
  }
  fs.writeFileSync(join(place, "etc/master.cf"), "");
  fs.chmodSync(join(place, "closed/main.cf"), 0o600);
});
afterAll(() => fs.rmSync(place, { recursive: true }));

function groupOf(name: string): number {
  const row = new RegExp(`^${name}:[^:]*:(\\d+):`, "m").exec(fs.readFileSync("/etc/group", "utf8"));
  return Number(row?.[1]);
}

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs it as nobody, with the test's own /etc/postfix. */
function run(program: string, args: readonly string[], input: string, config?: string): Promise<Outcome> {
  const script = 'mount --bind "$0" /etc/postfix; exec setpriv --reuid=$1 --regid=$2 --clear-groups ' +
    'bash --norc -c \'exec -a sendmail "$@"\' - "${@:3}"';
  const child = spawn("unshare", [
    ...["-m", "bash", "--norc", "-c", script, join(place, "etc")],
    ...[String(nobody.uid), String(nobody.gid), program, ...args],
  ], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...(config !== undefined && { MAIL_CONFIG: config }) },
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk) => out += chunk);
  child.stderr.setEncoding("utf8").on("data", (chunk) => err += chunk);
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", (status) => resolve({ status, out, err: withoutPostdrop(err) }));
  });
}

/** Its pickup does not run. */
const withoutPostdrop = (err: string) =>
  err.replace(/^postdrop: warning: unable to look up public.*\n/gm, "");

async function both(args: readonly string[], input: string, config?: string): Promise<[Outcome, Outcome]> {
  return await Promise.all([
    run(BINARY, args, input, config),
    run("/usr/sbin/sendmail", args, input, config),
  ]);
}

const MESSAGE = "Subject: x\n\nbody\n";

test("the default configuration is for everybody", async () => {
  const [ours, real] = await both(["ann"], MESSAGE);
  expect(ours).toEqual(real);
  expect(ours.status).toBe(0);
});

test("-C names a directory that alternate_config_directories has, and no other", async () => {
  for (
    const directory of [
      "/etc/postfix",
      "/etc/postfix/main.cf",
      "/etc/postfix/",
      "allowed",
      "allowed/main.cf",
      "other",
    ]
  ) {
    const path = directory.startsWith("/") ? directory : join(place, directory);
    const [ours, real] = await both(["-C", path, "ann"], MESSAGE);
    expect({ directory, ...ours }).toEqual({ directory, ...real });
  }
});

test("a main.cf that a user cannot read is said to be one", async () => {
  const [ours, real] = await both(["ann"], MESSAGE, join(place, "closed"));
  expect([ours.status, real.status]).toEqual([75, 75]);
  expect(real.err).toBe(`sendmail: fatal: open ${place}/closed/main.cf: Permission denied\n`);
  expect(ours.err).toBe(
    `sendmail: fatal: open ${place}/closed/main.cf: Permission denied (whoever shall send mail must be able to read it)\n`,
  );
});

/** Sessions; what differs by design is not in them: ETRN, and HELP for its long answer. */
const SESSIONS: Readonly<Record<string, readonly string[]>> = {
  "a message": [
    "EHLO client",
    "MAIL FROM:<a@b>",
    "RCPT TO:<c@d>",
    "DATA",
    "Subject: x",
    "",
    "hi",
    "..",
    ".",
    "QUIT",
  ],
  "two messages": [
    ...["HELO client", "MAIL FROM:<>", "RCPT TO:<c@d>", "RCPT TO:bare", "DATA", "x", "."],
    ...["MAIL FROM:<e@f>", "RCPT TO:<g@h>", "DATA", "y", ".", "QUIT"],
  ],
  "commands out of order": [
    "RCPT TO:<a@b>",
    "DATA",
    "MAIL FROM:<a@b>",
    "MAIL FROM:<a@b>",
    "DATA",
    "RSET",
    "QUIT",
  ],
  "what is none": [
    "FOO",
    "AUTH PLAIN =",
    "STARTTLS",
    "XCLIENT NAME=x",
    "MAIL FROM:<a",
    "NOOP",
    "VRFY ann",
    "QUIT",
  ],
  // Of a size that is too large Postfix 3.7.11 dies here.
  "a size": ["EHLO x", "MAIL FROM:<a@b> SIZE=10", "QUIT"],
  "parameters": [
    ...[
      "EHLO x",
      "MAIL FROM:<a@b> BODY=8BITMIME RET=HDRS ENVID=x",
      "RCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d",
    ],
    ...["DATA", "z", ".", "MAIL FROM:<a@b> FOO=x", "QUIT"],
  ],
  "lost in the middle": ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "half"],
};

for (const [what, lines] of Object.entries(SESSIONS)) {
  for (const end of ["\r\n", "\n"]) {
    test(`sendmail -bs: ${what}, lines end in ${JSON.stringify(end)}`, async () => {
      const input = lines.map((line) => `${line}${end}`).join("");
      const [ours, real] = await both(["-bs"], input);
      const normal = ({ status, out, err }: Outcome) => ({
        status,
        err,
        out: out.replace(/queued as \w+/g, "queued as ID"),
      });
      expect(normal(ours)).toEqual(normal(real));
    });
  }
}
