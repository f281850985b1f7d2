// Programs that people have send through /usr/sbin/sendmail, which is ours in a mount namespace: they are told nothing of it.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { messagesIn, ONE_BOX } from "../../kit/drops.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, type Server, startServer } from "../../kit/server.ts";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(120_000);
const peers = [
  "dist/mta",
  "root",
  "postfix",
  "php",
  "bsd-mailx",
  "cron",
  "git-email",
  "mutt",
  "python3",
] as const;
const { afterAll, beforeAll, test } = withPeers(import.meta.path, ...peers);
let server: Server;
let games: Account;
let home = "";

beforeAll(async () => {
  games = userNamed("games");
  server = await startServer({ mainCf: [...ONE_BOX] });
  home = join(server.directory, "home");
  fs.mkdirSync(home);
  fs.chownSync(home, games.uid, games.gid);
});
afterAll(() => server.stop());

interface Call {
  /** A shell's, run as games in its home. */
  readonly script: string;
  readonly input?: string;
  /** Run as root, before. */
  readonly first?: string;
}

/** Runs it where sendmail and its configuration are ours; its output, which ends with its status. */
function call({ script, input = "", first = "" }: Call): Promise<string> {
  const outer = `mount --bind "$0" /usr/sbin/sendmail; mount --bind "$1" /etc/postfix; ${first}
    cd "$2"; exec setpriv --reuid ${games.uid} --regid ${games.gid} --clear-groups -- env -i HOME="$2" USER=games LOGNAME=games \\
      PATH=/usr/bin:/bin LANG=C.UTF-8 sh -c "$3"`;
  const child = spawn("unshare", ["-m", "sh", "-c", outer, BINARY, server.configDirectory, home, script]);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => said += text);
  }
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", (status) => resolve(`${said}${status}`));
  });
}

/** The next message that comes, when the caller has ended well. */
async function sentBy(calling: Call, said = "0"): Promise<string> {
  const before = messagesIn(server.directory).length;
  expect(await call(calling)).toBe(said);
  return await nextMessage(before);
}

async function nextMessage(before: number): Promise<string> {
  await until(() => `mail; ${server.log().slice(-3000)}`, () => messagesIn(server.directory).length > before);
  const text = messagesIn(server.directory)[before]!;
  expect(text).toContain(`(mta, from userid ${games.uid})`);
  return text;
}

/** Fields of a message in order of `names`. */
const fields = (text: string, ...names: string[]) =>
  names.map((name) => new RegExp(`^${name}: (.*)$`, "m").exec(text.slice(0, text.indexOf("\n\n")))?.[1]);

const bodyOf = (text: string) => text.slice(text.indexOf("\n\n") + 2);

test("PHP's mail()", async () => {
  const php = String
    .raw`var_dump(mail("box@example.com", "Caf\xc3\xa9", "one\n.\ntwo\n", "From: php@example.com\r\nBcc: box@example.com",
    "-fbounce@example.com"));`;
  const text = await sentBy({ script: 'exec php -r "$(cat)"', input: php }, "bool(true)\n0");
  expect(fields(text, "Return-Path", "From", "To", "Bcc")).toEqual([
    "<bounce@example.com>",
    "php@example.com",
    "box@example.com",
    undefined,
  ]);
  expect(bodyOf(text)).toBe("one\n.\ntwo\n\n\n");
});

test("mail(1)", async () => {
  const text = await sentBy({
    script: "exec mail -s 'From mail' box@example.com",
    input: "hello\n",
  });
  expect(fields(text, "Subject", "From", "To", "Return-Path")).toEqual([
    "From mail",
    "games <games@example.com>",
    "box@example.com",
    "<games@example.com>",
  ]);
});

test("mutt, with an attachment", async () => {
  const script =
    "echo attached >file.txt; exec mutt -F /dev/null -s 'From mutt' -a file.txt -- box@example.com";
  const text = await sentBy({ script, input: "hello\n" });
  expect(fields(text, "Subject", "To")).toEqual(["From mutt", "box@example.com"]);
  expect(text).toContain("attached");
});

test("Python: a message with CR LF to a subprocess", async () => {
  const python = `
import subprocess
from email.message import EmailMessage
from email.policy import SMTP
message = EmailMessage(policy=SMTP)
message["From"], message["To"], message["Subject"] = "Ann <ann@example.com>", "box@example.com", "Grüße"
message.set_content("Grüße\\n.\\nend\\n", cte="8bit")
subprocess.run(["/usr/sbin/sendmail", "-t", "-oi"], input=message.as_bytes(), check=True)
`;
  const text = await sentBy({ script: "exec python3 -", input: python });
  expect(fields(text, "From", "To")).toEqual(["Ann <ann@example.com>", "box@example.com"]);
  expect(bodyOf(text)).toBe("Grüße\n.\nend\n\n");
});

test("git send-email", async () => {
  const script = `set -e
    git init -q repository; cd repository; git config user.name Ann; git config user.email ann@example.com
    echo text >file; git add file; git commit -qm 'add a file'; git format-patch -q --root
    git send-email -q --confirm=never --to=box@example.com --suppress-cc=all --envelope-sender=auto --smtp-server=/usr/sbin/sendmail 0001-*.patch >/dev/null`;
  const text = await sentBy({ script });
  expect(fields(text, "Subject", "From", "Return-Path")).toEqual([
    "[PATCH] add a file",
    "Ann <ann@example.com>",
    "<ann@example.com>",
  ]);
});

test("cron: what a job prints", async () => {
  const before = messagesIn(server.directory).length;
  const crontab = join(server.directory, "crontab");
  fs.writeFileSync(crontab, "MAILTO=box@example.com\n@reboot games echo from a job\n");
  const outer =
    `mount --bind "$0" /usr/sbin/sendmail; mount --bind "$1" /etc/postfix; mount --bind "$2" /etc/crontab
    mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/spool/cron; mkdir /var/spool/cron/crontabs
    mount -t tmpfs tmpfs /etc/cron.d; exec cron -f`;
  const child = spawn("unshare", ["-m", "sh", "-c", outer, BINARY, server.configDirectory, crontab], {
    stdio: "ignore",
  });
  try {
    const text = await nextMessage(before);
    expect(fields(text, "Subject", "To", "Return-Path")[1]).toBe("box@example.com");
    expect(bodyOf(text)).toBe("from a job\n\n");
  } finally {
    child.kill("SIGKILL");
  }
});
