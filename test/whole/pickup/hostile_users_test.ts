// Users of this machine who mean ill, where everybody drops mail: games gets mail sent, news attacks.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { dropFolder } from "../../../src/pickup/drop/drop_folder.ts";
import { drop, dropped, messagesIn, ONE_BOX, untilTaken } from "../../kit/drops.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, type Server, startServer } from "../../kit/server.ts";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(300_000);
const { test: asRoot } = withPeers(import.meta.path, "dist/mta", "root", "perl");
let server: Server;
let attacker: ChildProcess | undefined;
afterEach(async () => {
  attacker?.kill("SIGKILL");
  await server?.stop();
});

function as({ uid, gid }: Account, ...command: readonly string[]): readonly [string, readonly string[]] {
  const rights = ["--pdeathsig", "KILL", "--reuid", `${uid}`, "--regid", `${gid}`, "--clear-groups", "--"];
  return ["/usr/bin/setpriv", [...rights, ...command]];
}

/** Runs a Perl script as a user; answers what it prints. */
function perl(user: Account, script: string, ...args: readonly string[]): string {
  const [program, words] = as(user, "/usr/bin/perl", "-e", script, ...args);
  const { stdout, stderr } = spawnSync(program, [...words]);
  return stdout.toString() + stderr.toString();
}

const PROBE = `
  my ($folder, $name) = @ARGV;
  sub told { my ($what, $worked) = @_; print "$what: ", ($worked ? "WORKED" : "$!"), "\\n" }
  told("list", opendir(my $d, $folder));
  told("read", open(my $r, "<", "$folder/$name"));
  told("write", open(my $w, "+<", "$folder/$name"));
  told("append", open(my $a, ">>", "$folder/$name"));
  told("truncate", truncate("$folder/$name", 0));
  told("chmod", chmod(0666, "$folder/$name"));
  told("rename", rename("$folder/$name", "$folder/other"));
  open(my $m, ">", "$folder/mine"); close($m);
  told("replace", rename("$folder/mine", "$folder/$name"));
  unlink("$folder/mine");
  told("remove", unlink("$folder/$name"));
`;

asRoot("who knows the name of another user's drop can do nothing with it", async () => {
  const [games, news] = [userNamed("games"), userNamed("news")];
  // Nothing is taken meanwhile.
  server = await startServer({ mainCf: [...ONE_BOX, "master_service_disable = pickup.unix"] });
  drop(server.queueDirectory);
  const folder = dropFolder(server.queueDirectory);
  const [name] = dropped(server.queueDirectory);
  fs.chownSync(join(folder, name!), games.uid, -1);
  const before = fs.readFileSync(join(folder, name!));
  const lines = perl(news, PROBE, folder, name!).trim().split("\n");
  expect(lines).toHaveLength(9);
  for (const line of lines) expect(line).toMatch(/^\w+: (Permission denied|Operation not permitted)$/);
  expect(fs.readFileSync(join(folder, name!)).equals(before)).toBe(true);
  // Its owner can take it back, as long as it is there.
  expect(perl(games, "print unlink($ARGV[0])", join(folder, name!))).toBe("1");
});

/** Drops of news's own, good and bad, that come, go, and lead elsewhere as fast as can be. */
const ATTACK = `
  my ($folder, $secret, $good) = @ARGV;
  chdir $folder or die;
  open(my $g, "<:raw", $good) or die; local $/; my $bytes = <$g>; close($g);
  sub name { my $n = sprintf("%012x-", time() * 1000); $n .= sprintf("%08x", rand(4294967296)) for 1..4; $n }
  while (1) {
    my $n = name();
    symlink($secret, $n);
    my $m = name();
    open(my $f, ">:raw", $m); print $f $bytes; close($f);
    chmod(0740, $m);
    rename($n, $m) if rand() < 0.3;
    link($m, name()) if rand() < 0.3;
    link($secret, name());
    my $h;
    if (rand() < 0.3 && open($h, "+<:raw", $m)) { seek($h, 60, 0); print $h "XXXXXXXX"; close($h) }
    truncate($m, rand(200)) if rand() < 0.2;
    system("/usr/bin/mkfifo", name()) if rand() < 0.01;
    mkdir(name()) if rand() < 0.05;
    unlink($n);
    select(undef, undef, undef, 0.005);
  }
`;

asRoot(
  "while another user swaps files, links and pipes there, mail comes whole, once, and under its sender's name",
  async () => {
    const [games, news] = [userNamed("games"), userNamed("news")];
    server = await startServer({ mainCf: [...ONE_BOX, "worker_processes = 2"] });
    const { directory, queueDirectory, configDirectory } = server;
    const secret = join(directory, "secret");
    fs.writeFileSync(secret, "secret\n", { mode: 0o600 });
    fs.chownSync(secret, games.uid, games.gid);
    const good = join(directory, "good");
    fs.mkdirSync(join(directory, "staged/drop"), { recursive: true });
    drop(join(directory, "staged"), { sender: "news@example.com", content: "Subject: of news\n\ntext\n" });
    fs.copyFileSync(join(directory, "staged/drop", dropped(join(directory, "staged"))[0]!), good);
    fs.chmodSync(good, 0o644);
    const [program, words] = as(
      news,
      "/usr/bin/perl",
      "-e",
      ATTACK,
      dropFolder(queueDirectory),
      secret,
      good,
    );
    attacker = spawn(program, [...words], { stdio: "ignore" });
    const COUNT = 40;
    for (let k = 0; k < COUNT; k++) {
      const [sendmail, args] = as(
        games,
        BINARY,
        "-c",
        configDirectory,
        "sendmail",
        "-f",
        "games@example.com",
        "box@example.com",
      );
      const input = `Subject: of games ${k}\n\n${"a line\n".repeat(5000)}`;
      const sent = spawnSync(sendmail, [...args], { input });
      expect([sent.status, sent.stderr.toString()]).toEqual([0, ""]);
    }
    const ofGames = () => messagesIn(directory).filter((text) => text.includes("\nSubject: of games "));
    await until(() => `all of games's mail; ${server.log().slice(-2000)}`, () => ofGames().length >= COUNT);
    expect(attacker.exitCode).toBeNull();
    const ended = new Promise((resolve) => attacker!.on("exit", resolve));
    attacker.kill("SIGKILL");
    await ended;
    await until(
      "an end of the attack",
      () =>
        dropped(queueDirectory).every((name) =>
          !fs.lstatSync(join(dropFolder(queueDirectory), name)).isFile()
        ),
    );
    const subjects = ofGames().map((text) => {
      expect(text).toContain(`(mta, from userid ${games.uid})`);
      expect(text).toEndWith(`\n\n${"a line\n".repeat(5000)}\n`);
      return /^Subject: (.*)$/m.exec(text)![1];
    });
    expect(new Set(subjects).size).toBe(COUNT);
    expect(subjects).toHaveLength(COUNT);
    const others = messagesIn(directory).filter((text) => !text.includes("\nSubject: of games "));
    for (const text of others) expect(text).toContain(`(mta, from userid ${news.uid})`);
    expect(messagesIn(directory).join("")).not.toContain("secret");
    expect(fs.readFileSync(secret, "utf8")).toBe("secret\n");
    // The attack took place, and is in the log.
    expect(others.length).toBeGreaterThan(0);
    const refused = (why: string) =>
      server.log().includes(`uid=${news.uid}: dropped mail is not taken: ${why}`);
    await until(
      "each kind of attack in the log",
      () => refused("it is no plain file") && refused("it has 2 hard links"),
    );
    await untilTaken(queueDirectory);
  },
);
