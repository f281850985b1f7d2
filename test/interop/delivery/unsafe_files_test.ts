// What local users may put in the way of a delivery: the compiled executable does what the real Postfix does, both as root, with
// two users' files. games is who gets the mail, news is who means ill.
import { expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { type Pair, startBinaryPair } from "../../kit/scenes/compare_delivery.ts";
import { withPeers } from "../../kit/peers.ts";

setDefaultTimeout(180_000);
const { afterAll, beforeAll, test: here } = withPeers(import.meta.path, "dist/mta", "root", "postfix");
const root: Account = { uid: 0, gid: 0 };
let [games, news, nobody] = [root, root, root];

/** What a row puts into the root folder of each system. */
class Scene {
  readonly #root: string;
  constructor(root: string) {
    this.#root = root;
  }
  #at(name: string): string {
    return `${this.#root}/${name}`;
  }
  folder(name: string, owner: Account, mode = 0o755): this {
    fs.mkdirSync(this.#at(name), { recursive: true });
    fs.chownSync(this.#at(name), owner.uid, owner.gid);
    fs.chmodSync(this.#at(name), mode);
    return this;
  }
  file(name: string, owner: Account, mode = 0o600, text = ""): this {
    fs.writeFileSync(this.#at(name), text.replaceAll("$root", this.#root));
    fs.chownSync(this.#at(name), owner.uid, owner.gid);
    fs.chmodSync(this.#at(name), mode);
    return this;
  }
  link(name: string, to: string, owner: Account): this {
    fs.symlinkSync(to.startsWith("/") ? to : this.#at(to), this.#at(name));
    fs.lchownSync(this.#at(name), owner.uid, owner.gid);
    return this;
  }
  hard(name: string, to: string): this {
    fs.linkSync(this.#at(to), this.#at(name));
    return this;
  }
  fifo(name: string, owner: Account): this {
    spawnSync("mkfifo", ["-m", "666", this.#at(name)]);
    fs.chownSync(this.#at(name), owner.uid, owner.gid);
    return this;
  }
}

let pair: Pair;
beforeAll(async () => {
  [games, news, nobody] = [userNamed("games"), userNamed("news"), userNamed("nobody")];
  pair = await startBinaryPair({
    alias_maps: "texthash:$root/aliases, texthash:$root/of_games, texthash:$root/of_nobody_known",
    forward_path: "$root/mail/home/${user}/.forward",
    allow_mail_to_files: "alias,forward,include",
    allow_mail_to_commands: "alias,forward,include",
    transport_maps: "inline:{virtual.example=virtual:}",
    virtual_mailbox_base: "$root/mail",
    virtual_mailbox_maps: "inline:{box@virtual.example=vbox, dir@virtual.example=vdir/}",
    virtual_uid_maps: `static:${games.uid}`,
    virtual_gid_maps: `static:${games.gid}`,
    virtual_minimum_uid: "1",
    notify_classes: "",
    bounce_queue_lifetime: "0",
  }, {
    aliases: [
      "file $root/mail/out/file",
      "include :include:$root/mail/out/list",
    ].join("\n") + "\n",
    of_games:
      'gfile $root/mail/gfile\ngcommand "|id -u >$root/mail/gcommand"\nginclude :include:$root/mail/out/list\n',
    of_nobody_known: "ofile $root/mail/ofile\n",
  });
  for (const place of pair.roots) {
    fs.chownSync(`${place}/of_games`, games.uid, 0);
    fs.chownSync(`${place}/of_nobody_known`, 54_321, 0);
  }
});
afterAll(() => pair?.stop());

/** What became of the message, without what only says that there is one. */
const outcome = (lines: readonly string[]) =>
  lines.filter((line) => !line.startsWith("qmgr: ")).map((line) => line.replace(/\(0,[\w|]+\)$/, ""));

async function same(rows: readonly ((scene: Scene) => unknown)[], to: string): Promise<void> {
  const [theirs, ours]: [unknown[], unknown[]] = [[], []];
  for (const row of rows) {
    for (const place of pair.roots) row(new Scene(place));
    const mail = { from: "", to: [to.includes("@") ? to : `${to}@example.com`] };
    const results = await pair.compare([mail]);
    theirs.push([`${row}`, outcome(results[0].lines), results[0].files, results[0].owners]);
    ours.push([`${row}`, outcome(results[1].lines), results[1].files, results[1].owners]);
  }
  expect(ours).toEqual(theirs);
}

const MAILBOX: readonly ((scene: Scene) => unknown)[] = [
  (s) => s.file("mail/games", games),
  // a user's link into another user's file, and into the user's own
  (s) => s.folder("mail/h", games).file("mail/h/rc", games).link("mail/games", "mail/h/rc", news),
  (s) => s.folder("mail/h", games).file("mail/h/rc", games).link("mail/games", "mail/h/rc", games),
  // root's link in a folder that others may write to
  (s) => s.folder("mail/h", games).file("mail/h/rc", games).link("mail/games", "mail/h/rc", root),
  (s) => s.link("mail/games", "mail/nowhere", news),
  (s) => s.folder("mail/h", news, 0o700).file("mail/h/rc", news).link("mail/games", "mail/h/rc", news),
  (s) => s.folder("mail/h", games).link("mail/games", "mail/h", news),
  (s) => s.link("mail/games", "/dev/null", news),
  (s) => s.link("mail/games", "mail/games", news),
  (s) => s.file("mail/other", games).hard("mail/games", "mail/other"),
  (s) => s.file("mail/other", games).hard("mail/games", "mail/other").hard("mail/third", "mail/other"),
  (s) => s.file("mail/other", news, 0o666).hard("mail/games", "mail/other"),
  (s) => s.file("mail/games", news, 0o666),
  (s) => s.file("mail/games", news, 0o600),
  (s) => s.folder("mail/games", games),
  (s) => s.fifo("mail/games", games),
  (s) => s.fifo("mail/games", news),
];

here("mailboxes in a spool folder that everybody may write to", () => same(MAILBOX, "games"));

/** The spool folder, by its mode; the one of the other rows is there again afterwards. */
async function inSpool(
  mode: number,
  gid: number,
  rows: readonly ((scene: Scene) => unknown)[],
): Promise<void> {
  try {
    await same(
      rows.map((row) =>
        Object.assign((s: Scene) => row(s.folder("mail", { uid: 0, gid }, mode)), {
          toString: () => `${row}`,
        })
      ),
      "games",
    );
  } finally {
    for (const place of pair.roots) new Scene(place).folder("mail", root, 0o1777);
  }
}

here("mailboxes in a spool folder that its group may write to", () =>
  inSpool(0o2775, 8, [
    () => {},
    (s) => s.file("mail/games", games),
    (s) => s.file("mail/games", { uid: games.uid, gid: 8 }, 0o660),
    (s) => s.file("mail/games", { uid: news.uid, gid: 8 }, 0o660),
    (s) => s.folder("mail/h", games).file("mail/h/rc", games).link("mail/games", "mail/h/rc", root),
    (s) => s.file("mail/news", { uid: news.uid, gid: 8 }, 0o660).link("mail/games", "mail/news", games),
    (s) => s.file("mail/other", games).hard("mail/games", "mail/other"),
  ]));

here("a spool folder that everybody may write to lends nobody its group", () =>
  inSpool(0o1777, 8, [
    (s) => s.file("mail/games", games),
    (s) => s.file("mail/games", { uid: news.uid, gid: 8 }, 0o660),
  ]));

const FORWARD: readonly ((scene: Scene) => unknown)[] = [
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      games,
      0o644,
      "$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      games,
      0o666,
      "$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      games,
      0o662,
      "|cat >$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      games,
      0o664,
      "$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      root,
      0o644,
      "$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      root,
      0o600,
      "$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      news,
      0o644,
      "$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file(
      "mail/home/games/.forward",
      games,
      0o000,
      "$root/mail/forwarded\n",
    ),
  (s) =>
    s.folder("mail/home/games", games).file("mail/real", games, 0o644, "$root/mail/forwarded\n").link(
      "mail/home/games/.forward",
      "mail/real",
      games,
    ),
  (s) =>
    s.folder("mail/home/games", games).file("mail/real", games, 0o644, "$root/mail/forwarded\n").link(
      "mail/home/games/.forward",
      "mail/real",
      news,
    ),
  (s) => s.folder("mail/home/games", games).link("mail/home/games/.forward", "mail/nowhere", games),
  (s) => s.folder("mail/home/games", games).fifo("mail/home/games/.forward", games),
  (s) => s.folder("mail/home/games", games).fifo("mail/home/games/.forward", news),
  (s) => s.folder("mail/home/games", games).folder("mail/home/games/.forward", games),
  (s) => s.folder("mail/home/games", games).file("mail/home/games/.forward", games, 0o644, ""),
  (s) =>
    s.folder("mail/home/games", games, 0o700).file(
      "mail/home/games/.forward",
      games,
      0o666,
      "$root/mail/forwarded\n",
    ),
  (s) => s.folder("mail/home/games", games, 0o700).fifo("mail/home/games/.forward", games),
  (s) =>
    s.folder("mail/home/games", games, 0o700).file(
      "mail/home/games/.forward",
      games,
      0o600,
      "$root/mail/forwarded\n",
    ),
  (s) => s.folder("mail/home/games", news, 0o700),
];

here(".forward files that others may have had a hand in", () => same(FORWARD, "games"));

const FILE: readonly ((scene: Scene) => unknown)[] = [
  (s) => s.folder("mail/out", root, 0o1777),
  (s) => s.folder("mail/out", root, 0o755),
  (s) => s.folder("mail/out", root, 0o1777).file("mail/out/file", nobody),
  (s) => s.folder("mail/out", root, 0o755).file("mail/out/file", nobody),
  (s) => s.folder("mail/out", root, 0o1777).file("mail/out/file", nobody, 0o700),
  (s) => s.folder("mail/out", root, 0o1777).file("mail/out/file", news, 0o666),
  (s) => s.folder("mail/out", root, 0o1777).file("mail/o", nobody).link("mail/out/file", "mail/o", news),
  (s) => s.folder("mail/out", root, 0o1777).file("mail/o", nobody).link("mail/out/file", "mail/o", root),
  (s) => s.folder("mail/out", root, 0o755).file("mail/o", nobody).link("mail/out/file", "mail/o", root),
  (s) => s.folder("mail/out", root, 0o755).file("mail/o", nobody).link("mail/out/file", "mail/o", news),
  (s) => s.folder("mail/out", root, 0o755).link("mail/out/file", "/dev/null", root),
  (s) => s.folder("mail/out", root, 0o1777).file("mail/o", nobody).hard("mail/out/file", "mail/o"),
  (s) => s.folder("mail/out", root, 0o1777).fifo("mail/out/file", nobody),
  (s) => s.folder("mail/out", root, 0o1777).folder("mail/out/file", nobody),
  (s) => s.folder("mail/out", news, 0o700),
];

here("files that an alias names", () => same(FILE, "file"));

const INCLUDE: readonly ((scene: Scene) => unknown)[] = [
  (s) => s.folder("mail/out", root).file("mail/out/list", root, 0o644, "games\n"),
  (s) => s.folder("mail/out", root).file("mail/out/list", root, 0o666, "games\n"),
  (s) => s.folder("mail/out", root).file("mail/out/list", root, 0o664, "games\n"),
  (s) => s.folder("mail/out", root).file("mail/out/list", games, 0o644, "$root/mail/listed\n"),
  (s) => s.folder("mail/out", root).file("mail/out/list", games, 0o600, "$root/mail/listed\n"),
  (s) => s.folder("mail/out", root).file("mail/out/list", games, 0o000, "$root/mail/listed\n"),
  (s) => s.folder("mail/out", root).file("mail/out/list", games, 0o666, "$root/mail/listed\n"),
  (s) =>
    s.folder("mail/out", root).file("mail/l", games, 0o644, "$root/mail/listed\n").link(
      "mail/out/list",
      "mail/l",
      news,
    ),
  (s) => s.folder("mail/out", root).fifo("mail/out/list", games),
  (s) => s.folder("mail/out", root).folder("mail/out/list", games),
  (s) => s.folder("mail/out", root).link("mail/out/list", "mail/nowhere", news),
  (s) => s.folder("mail/out", root).link("mail/out/list", "/dev/zero", news),
  (s) => s.folder("mail/out", root),
];

here(":include: files", () => same(INCLUDE, "include"));

const VIRTUAL: readonly ((scene: Scene) => unknown)[] = [
  (s) => s.file("mail/vbox", games),
  (s) => s.file("mail/h", games).link("mail/vbox", "mail/h", news),
  (s) => s.file("mail/h", games).link("mail/vbox", "mail/h", games),
  (s) => s.file("mail/h", games).hard("mail/vbox", "mail/h"),
  (s) => s.file("mail/vbox", news, 0o666),
  (s) => s.folder("mail/vbox", games),
  (s) => s.fifo("mail/vbox", games),
];

here("virtual mailboxes", () => same(VIRTUAL, "box@virtual.example"));

const VIRTUAL_DIR: readonly ((scene: Scene) => unknown)[] = [
  (s) => s.folder("mail/vdir", games),
  (s) => s.folder("mail/h", games).link("mail/vdir", "mail/h", games),
  (s) => s.folder("mail/h", games).link("mail/vdir", "mail/h", root),
  (s) => s.file("mail/vdir", games),
  (s) =>
    s.folder("mail/vdir", games).folder("mail/h", games).folder("mail/h/new", games)
      .link("mail/vdir/new", "mail/h/new", games),
  (s) => s.folder("mail/vdir", root, 0o755),
];
here("virtual maildirs", () => same(VIRTUAL_DIR, "dir@virtual.example"));

const NEWS = "mail/home/news";
here("a user's .forward that includes another's list gets nobody else's rights", () =>
  same([
    (s) =>
      s.folder(NEWS, news).file(`${NEWS}/.forward`, news, 0o644, ":include:$root/mail/list\n")
        .file("mail/list", games, 0o644, '$root/mail/listed\n"|id -u >$root/mail/ran"\n'),
    (s) =>
      s.folder(NEWS, news).file(`${NEWS}/.forward`, news, 0o644, ":include:$root/mail/list\n")
        .file("mail/list", games, 0o600, "$root/mail/listed\n"),
    (s) =>
      s.folder(NEWS, news).file(`${NEWS}/.forward`, news, 0o644, ":include:$root/mail/list\n")
        .file("mail/list", root, 0o644, "$root/mail/listed\n"),
  ], "news"));

here(
  "a list in a folder with another group gets its owner's group, and one of no account nothing",
  () =>
    same([
      (s) =>
        s.folder("mail/out", root).file(
          "mail/out/list",
          { uid: games.uid, gid: 8 },
          0o644,
          '"|id >$root/mail/ran"\n',
        ),
      (s) =>
        s.folder("mail/out", root).file(
          "mail/out/list",
          { uid: 54_321, gid: 8 },
          0o644,
          '"|id >$root/mail/ran"\n',
        ),
    ], "include"),
);

for (const name of ["gfile", "gcommand", "ginclude", "ofile"]) {
  here(
    `what a user's alias table names gets that user's rights: ${name}`,
    () =>
      same(
        [(s) => s.folder("mail/out", root).file("mail/out/list", news, 0o644, "$root/mail/listed\n")],
        name,
      ),
  );
}
