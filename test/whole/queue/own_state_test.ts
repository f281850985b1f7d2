// What root keeps for itself: whoever mail_owner has become, he moves nothing of it elsewhere, neither with links that are there
// before the start nor with such that come and go meanwhile.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { withPeers } from "../../kit/peers.ts";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { sendMessage, talk } from "../../kit/talk.ts";

setDefaultTimeout(180_000);
const { test: asRoot } = withPeers(import.meta.path, "dist/mta", "root", "perl");
let daemon: Account;
let server: Server | undefined;
let attacker: ChildProcess | undefined;
let place = "";
afterEach(async () => {
  attacker?.kill("SIGKILL");
  await server?.stop();
  server = undefined;
  fs.rmSync(place, { recursive: true, force: true });
});

/** Folders for a server whose queue and log are in mail_owner's hands, and root's secrets beside them. */
function scene(): string {
  daemon = userNamed("daemon");
  place = fs.mkdtempSync(join(tmpdir(), "mta-own-"));
  fs.chmodSync(place, 0o755);
  for (const name of ["queue", "log", "secrets", "secrets/empty"]) fs.mkdirSync(join(place, name));
  for (const name of ["queue", "log"]) fs.chownSync(join(place, name), daemon.uid, daemon.gid);
  fs.writeFileSync(join(place, "secrets/file"), "secret.example x\n", { mode: 0o600 });
  return place;
}

/** Root's secrets as they are: modes, owners and contents. */
function secrets(): unknown[] {
  return ["secrets", "secrets/empty", "secrets/file"].map((name) => {
    const { mode, uid, gid } = fs.statSync(join(place, name));
    const content = name.endsWith("file")
      ? fs.readFileSync(join(place, name), "utf8")
      : fs.readdirSync(join(place, name));
    return [name, mode & 0o7777, uid, gid, content];
  });
}

/** The folder is mail_owner's, so the kit's own queue stays unused. */
const main = (more: readonly string[] = []) => [
  "mail_owner = daemon",
  `queue_directory = ${place}/queue`,
  "mydestination = example.com",
  "local_recipient_maps =",
  ...more,
];

/** Starts a server, or answers why it does not start. */
async function start(more: readonly string[] = []): Promise<string> {
  try {
    server = await startServer({ mainCf: main(more) });
    return "started";
  } catch (error) {
    return String(error);
  }
}

asRoot(
  "a link in place of the folder of drops is a warning in the log, and what it leads to stays as it is",
  async () => {
    scene();
    fs.symlinkSync(join(place, "secrets/empty"), join(place, "queue/drop"));
    const before = secrets();
    expect(await start()).toBe("started");
    await server!.logged(/warning: cannot make .*\/drop: .*nobody can submit mail with sendmail/);
    expect(secrets()).toEqual(before);
  },
);

asRoot(
  "the folder of drops gets its owner and mode at the start, and mta check says what is wrong with it",
  async () => {
    scene();
    const drop = join(place, "queue/drop");
    expect(await start()).toBe("started");
    const isRight = () => {
      const { uid, gid, mode } = fs.statSync(drop);
      expect([uid, gid, (mode & 0o7777).toString(8)]).toEqual([daemon.uid, daemon.gid, "3733"]);
    };
    isRight();
    expect((await server!.mta("check")).stderr).not.toContain("sendmail");
    fs.chmodSync(drop, 0o755);
    expect((await server!.mta("check")).stderr).toContain(
      `cannot submit mail with sendmail: ${drop} belongs to ${daemon.uid}:${daemon.gid}, mode 0755`,
    );
    await server!.mta("reload");
    isRight();
    fs.chmodSync(join(place, "queue"), 0o700);
    expect((await server!.mta("check")).stderr).toContain(`chmod o+x ${place}/queue`);
  },
);

asRoot.each(
  [
    ["pid", "secrets/empty", "is a link or a file where a folder should be"],
    ["mta", "secrets/empty", "Permission denied"],
  ] as const,
)(
  "a link in place of queue_directory/%s stops the start, and what it leads to stays as it is",
  async (name, to, why) => {
    scene();
    fs.symlinkSync(join(place, to), join(place, "queue", name));
    const before = secrets();
    expect(await start()).toContain(why);
    expect(secrets()).toEqual(before);
  },
);

asRoot.each(["control", "helpers"])(
  "a link in place of queue_directory/%s is an error in the log, and what it leads to stays as it is",
  async (name) => {
    scene();
    fs.symlinkSync(join(place, "secrets/empty"), join(place, "queue", name));
    const before = secrets();
    expect(await start()).toBe("started");
    await sendMessage(server!.port, { from: "", to: "games@example.com" });
    await server!.logged(
      /queue\/(?:control|helpers) is a link or a file where a folder should be: remove it/,
    );
    expect(secrets()).toEqual(before);
  },
);

asRoot(
  "a log file that is a link or a second name in a folder of mail_owner's is not written to",
  async () => {
    scene();
    const log = join(place, "log/mail");
    const logs = [`maillog_file = ${log}`, `maillog_file_prefixes = ${place}`];
    const before = secrets();
    fs.symlinkSync(join(place, "secrets/file"), log);
    expect(await start(logs)).toContain(`open maillog_file ${log}: file is a symbolic link`);
    fs.rmSync(log);
    fs.linkSync(join(place, "secrets/file"), log);
    expect(await start(logs)).toContain(`open maillog_file ${log}: file has 2 hard links`);
    fs.rmSync(log);
    expect(secrets()).toEqual(before);
    expect(await start(logs)).toBe("started");
  },
);

asRoot("a table that mail_owner can make lead elsewhere is not read for him", async () => {
  scene();
  fs.symlinkSync(join(place, "secrets/file"), join(place, "log/domains"));
  const rcpt = async (more: readonly string[]) => {
    expect(
      await start([
        "smtpd_relay_restrictions = reject_unauth_destination",
        "relay_recipient_maps =",
        ...more,
      ]),
    )
      .toBe("started");
    const client = await talk(server!.port);
    for (const line of ["EHLO c.example", "MAIL FROM:<a@b.example>"]) await client.say(line);
    const reply = await client.say("RCPT TO:<x@secret.example>");
    client.end();
    await server!.stop();
    return reply;
  };
  expect(await rcpt([`relay_domains = texthash:${place}/secrets/file`])).toBe("250 2.1.5 Ok");
  expect(await rcpt([`relay_domains = texthash:${place}/log/domains`])).toStartWith("451 4.3.0");
});

asRoot("what workers keep lies where nobody else can put something under its name", async () => {
  scene();
  for (const name of ["data", "queue/mta"]) {
    fs.mkdirSync(join(place, name));
    fs.chownSync(join(place, name), daemon.uid, daemon.gid);
    fs.chmodSync(join(place, name), 0o777);
  }
  expect(await start([`data_directory = ${place}/data`])).toBe("started");
  expect(["data", "queue/mta"].map((name) => fs.statSync(join(place, name)).mode & 0o777)).toEqual([
    0o755,
    0o755,
  ]);
});

asRoot("a pid file in mail_owner's folder makes nobody stop a process of another's", async () => {
  scene();
  const victim = spawn("/bin/sleep", ["60"]);
  fs.mkdirSync(join(place, "queue/pid"));
  fs.writeFileSync(join(place, "queue/pid/master.pid"), `${victim.pid}\n`);
  for (const name of ["pid", "pid/master.pid"]) {
    fs.chownSync(join(place, "queue", name), daemon.uid, daemon.gid);
  }
  const config = join(place, "config");
  fs.mkdirSync(config);
  fs.writeFileSync(join(config, "main.cf"), `queue_directory = ${place}/queue\nshutdown_deadline = 1s\n`);
  fs.writeFileSync(join(config, "master.cf"), "");
  const { uid, gid } = daemon;
  attacker = spawn("/usr/bin/setpriv", [
    ...["--reuid", `${uid}`, "--regid", `${gid}`, "--clear-groups", "--"],
    ...[
      "/usr/bin/perl",
      "-e",
      '$| = 1; open($f, "+<", $ARGV[0]); flock($f, 2); print "locked"; sleep 60',
      join(place, "queue/pid/master.pid"),
    ],
  ]);
  await new Promise((done) => attacker!.stdout!.once("data", done));
  const { code, stderr } = await runMta(["-c", config, "stop"]);
  expect([code, victim.exitCode, victim.signalCode, stderr]).toEqual([
    1,
    null,
    null,
    expect.stringContaining("fatal: "),
  ]);
  victim.kill("SIGKILL");
});

asRoot(
  "links that come and go while the service starts, reloads, delivers and stops change nothing of root's",
  async () => {
    scene();
    const before = secrets();
    const { uid, gid } = daemon;
    const loop =
      'chdir $ARGV[0] or die; @n = ("mta.socket", "control", "helpers", "pid", "mta", "control/socket", "x"); while (1) {' +
      'for $n (@n) { rename($n, "away"); symlink("$ARGV[1]/$_", $n) for ("empty", "file")[rand 2]; unlink($n); rename("away", $n); } }';
    attacker = spawn("/usr/bin/setpriv", [
      ...["--pdeathsig", "KILL", "--reuid", `${uid}`, "--regid", `${gid}`, "--clear-groups", "--"],
      ...["/usr/bin/perl", "-e", loop, join(place, "queue"), join(place, "secrets")],
    ], { stdio: "ignore" });
    for (let round = 0; round < 6; round++) {
      if (await start() !== "started") continue;
      await sendMessage(server!.port, { from: "", to: "games@example.com" }).catch(() => {});
      await server!.mta("reload");
      await server!.stop();
    }
    attacker.kill("SIGKILL");
    expect(secrets()).toEqual(before);
    // Without the attacker, and with what he left put right, everything works.
    for (const name of fs.readdirSync(join(place, "queue"))) {
      fs.rmSync(join(place, "queue", name), { recursive: true });
    }
    expect(await start()).toBe("started");
    await server!.logged(
      /queue_directory: \S+ belongs to user id \d+, not to root, who can keep the mail system from working: chown root/,
    );
  },
);
