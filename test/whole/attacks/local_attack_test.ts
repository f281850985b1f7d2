// A local user who swaps files, links and folders under the hands of the running executable, as fast as can be, gains nothing.
// games gets mail, news means ill.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { sendMessage } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(180_000);
const { test: asRoot } = withPeers(import.meta.path, "dist/mta", "root", "perl");
let games: Account;
let news: Account;

let server: Server | undefined;
let attacker: ChildProcess | undefined;
let place = "";
afterEach(async () => {
  attacker?.kill("SIGKILL");
  await server?.stop();
  fs.rmSync(place, { recursive: true, force: true });
});

/** A folder for a test, with the victim's home in it: a file and a folder that nobody but the victim may write to. */
function scene(): string {
  [games, news] = [userNamed("games"), userNamed("news")];
  place = fs.mkdtempSync(join(tmpdir(), "mta-attack-"));
  fs.chmodSync(place, 0o755);
  for (const name of ["home", "home/keys"]) fs.mkdirSync(join(place, name));
  fs.writeFileSync(join(place, "home/rc"), "mine\n");
  for (const name of ["home", "home/keys", "home/rc"]) fs.chownSync(join(place, name), games.uid, games.gid);
  fs.chmodSync(join(place, "home/rc"), 0o600);
  for (const name of ["spool", "out"]) {
    fs.mkdirSync(join(place, name));
    fs.chmodSync(join(place, name), 0o1777);
  }
  return place;
}

/** Runs Perl statements over and over as news, in the folder, until the test ends. */
function attack(folder: string, statements: string): void {
  const loop = `chdir $ARGV[0] or die; $v = $ARGV[1]; while (1) { ${statements} }`;
  const { uid, gid } = news;
  attacker = spawn("/usr/bin/setpriv", [
    ...["--pdeathsig", "KILL", "--reuid", `${uid}`, "--regid", `${gid}`, "--clear-groups", "--"],
    ...["/usr/bin/perl", "-e", loop, folder, join(place, "home")],
  ], { stdio: "ignore" });
}

/**
 * Sends messages one after the other, at least so many, and waits until something has become of each; after each root runs `after`.
 * Goes on until the race has been met in each way that `met` names: chance decides which one a message meets.
 */
async function deliver(
  to: string,
  messages: number,
  after: () => void,
  met: readonly string[] = [],
): Promise<string[]> {
  const lines = () => server!.log().split("\n").filter((line) => /postfix\/local\[.*status=/.test(line));
  const unmet = () => {
    const all = lines();
    return met.some((words) => !all.some((line) => line.includes(words)));
  };
  for (let n = 0; n < messages || (n < 10 * messages && unmet()); n++) {
    const before = lines().length;
    expect(await sendMessage(server!.port, { from: "", to })).toStartWith("250");
    await until(
      () => `what became of a message:\n${server!.log().slice(-2000)}`,
      () => lines().length > before,
    );
    after();
  }
  return lines();
}

const main = (more: readonly string[]) => [
  "mydestination = example.com",
  "local_recipient_maps =",
  "mailbox_delivery_lock = fcntl",
  ...more,
];

/** Takes the files out of a folder: their names with their owners. */
function take(folder: string): string[] {
  return fs.readdirSync(folder).map((name) => {
    const { uid } = fs.lstatSync(join(folder, name));
    fs.rmSync(join(folder, name));
    return `${name} of ${uid}`;
  });
}

asRoot(
  "a mailbox that is now a file, now a link or a second name of the victim's file, is never that file",
  async () => {
    const spool = join(scene(), "spool");
    server = await startServer({ mainCf: main([`mail_spool_directory = ${spool}`]) });
    attack(
      spool,
      'symlink("$v/rc", "games"); symlink("$v/rc", "l"); rename("l", "games"); link("$v/rc", "h") && rename("h", "games");' +
        'open($f, ">", "f"); close($f); chmod(0666, "f"); rename("f", "games"); unlink("games");',
    );
    const lines = await deliver(
      "games@example.com",
      150,
      () => fs.rmSync(join(spool, "games"), { force: true }),
      ["file is a symbolic link", "status=sent"],
    );
    expect(fs.readFileSync(join(place, "home/rc"), "utf8")).toBe("mine\n");
    // The attack took place: the link was there when mail came, and so was nothing.
    expect(lines.some((line) => line.includes("file is a symbolic link"))).toBe(true);
    expect(lines.some((line) => line.includes("status=sent"))).toBe(true);
  },
);

asRoot(
  "a maildir whose folders somebody else puts there, or links elsewhere, is never the victim's other folders",
  async () => {
    const spool = join(scene(), "spool");
    server = await startServer({ mainCf: main([`mail_spool_directory = ${spool}/`]) });
    attack(
      spool,
      'symlink("$v", "games"); unlink("games"); mkdir("d"); chmod(0777, "d"); mkdir("d/tmp"); chmod(0777, "d/tmp");' +
        'symlink("$v/keys", "d/new"); mkdir("d/cur"); rename("d", "games"); rename("games", "e"); unlink("e/new");' +
        'rmdir("e/cur"); unlink(glob("e/tmp/*")); rmdir("e/tmp"); rmdir("e");',
    );
    const clear = () => {
      const found = fs.lstatSync(join(spool, "games"), { throwIfNoEntry: false });
      if (found?.uid === games.uid) fs.rmSync(join(spool, "games"), { recursive: true, force: true });
    };
    const lines = await deliver("games@example.com", 150, clear, ["Permission denied"]);
    expect(fs.readdirSync(join(place, "home")).sort()).toEqual(["keys", "rc"]);
    expect(fs.readdirSync(join(place, "home/keys"))).toEqual([]);
    expect(lines.some((line) => line.includes("Permission denied"))).toBe(true);
  },
);

asRoot(
  "a list that is now the attacker's, now a link to the victim's, is delivered to with the rights of who wrote it",
  async () => {
    scene();
    const [lists, out] = [join(place, "lists"), join(place, "out")];
    fs.mkdirSync(lists);
    fs.chownSync(lists, news.uid, news.gid);
    fs.writeFileSync(join(place, "home/list"), `${out}/of-games\n`);
    fs.chownSync(join(place, "home/list"), games.uid, games.gid);
    server = await startServer({
      mainCf: main([
        `mail_spool_directory = ${place}/spool`,
        `alias_maps = inline:{list=:include:${lists}/list}`,
        "allow_mail_to_files = alias, forward, include",
      ]),
    });
    attack(
      lists,
      `open($f, ">", "own"); print $f "${out}/of-news\\n"; close($f); rename("own", "list"); symlink("$v/list", "l"); rename("l", "list");`,
    );
    const made = new Set<string>();
    await deliver("list@example.com", 200, () => take(out).forEach((file) => made.add(file)));
    expect([...made].sort()).toEqual([`of-games of ${games.uid}`, `of-news of ${news.uid}`]);
  },
);
