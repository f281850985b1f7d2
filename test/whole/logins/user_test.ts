// `mta user`, as an operator uses it.
import { afterAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, mailOwner, runMta } from "../../kit/server.ts";
import { hasPeer, withPeers } from "../../kit/peers.ts";

const { test } = withPeers(import.meta.path, "dist/mta");
const { test: onTerminal } = withPeers(import.meta.path, "dist/mta", "script");

const directories: string[] = [];
afterAll(() => directories.forEach((each) => rmSync(each, { recursive: true, force: true })));

/** A configuration directory of its own, and `mta user` in it. */
function configured(main = "") {
  const directory = mkdtempSync(join(tmpdir(), "mta-user-"));
  directories.push(directory);
  writeFileSync(join(directory, "main.cf"), `mail_owner = ${mailOwner()}\n${main}`);
  const users = join(directory, "users");
  const user = (args: readonly string[], input = "") => runMta(["-c", directory, "user", ...args], { input });
  return { directory, users, user };
}

test("a user is added, tested, changed, listed and removed", async () => {
  const { users, user } = configured();
  expect(await user(["add", "Ann@Example.com"], "first secret\n")).toEqual({
    code: 0,
    stdout: "",
    stderr: "",
  });
  expect(readFileSync(users, "utf8")).toMatch(
    /^ann@example\.com\t\{ARGON2ID\}\$argon2id\$v=19\$m=19456,t=2,p=1\$\S+\n$/,
  );
  expect(await user(["test", "ann@example.com"], "first secret")).toMatchObject({
    code: 0,
    stdout: "the password is right\n",
  });
  expect(await user(["test", "ANN@example.com"], "wrong\n")).toMatchObject({
    code: 1,
    stdout: "the password is wrong\n",
  });
  expect((await user(["passwd", "ann@example.com"], "second\n")).code).toBe(0);
  expect((await user(["test", "ann@example.com"], "first secret\n")).code).toBe(1);
  expect((await user(["test", "ann@example.com"], "second\n")).code).toBe(0);
  expect((await user(["list"])).stdout).toBe(`${"ann@example.com".padEnd(32)} argon2 (PLAIN LOGIN)\n`);
  expect((await user(["remove", "ann@example.com"])).code).toBe(0);
  expect(readFileSync(users, "utf8")).toBe("");
});

test("the file is for its owner and the service alone; one that is there keeps its mode", async () => {
  const { users, user } = configured();
  await user(["add", "ann"], "secret\n");
  expect(statSync(users).mode & 0o7777).toBe(0o640);
  if (hasPeer("root")) {
    const gid = Number(spawnSync("id", ["-g", mailOwner()], { encoding: "utf8" }).stdout);
    expect([statSync(users).uid, statSync(users).gid]).toEqual([0, gid]);
  }
  chmodSync(users, 0o600);
  await user(["add", "bob"], "secret\n");
  expect(statSync(users).mode & 0o7777).toBe(0o600);
  expect(existsSync(`${users}.tmp`)).toBe(false);
  chmodSync(users, 0o644);
  expect((await user(["passwd", "bob"], "other\n")).stderr).toBe(
    `mta user: warning: everybody may read ${users}: chmod o-rwx ${users}\n`,
  );
});

test("passwords are stored as sasl_mechanisms needs them, or as --scheme says", async () => {
  const { users, user } = configured("sasl_mechanisms = PLAIN SCRAM-SHA-256 CRAM-MD5\n");
  await user(["add", "ann"], "se cret\n");
  expect(readFileSync(users, "utf8")).toMatch(/^ann\t\{SCRAM-SHA-256\}40960,\S+ \{PLAIN\}se cret\n$/);
  await user(["add", "bob", "--scheme", "argon2id"], "secret\n");
  const { stdout } = await user(["list", "--json"]);
  expect(JSON.parse(stdout)).toEqual({
    file: users,
    users: [
      {
        user: "ann",
        schemes: ["scram-sha-256", "plain"],
        mechanisms: ["PLAIN", "SCRAM-SHA-256", "CRAM-MD5"],
      },
      { user: "bob", schemes: ["argon2"], mechanisms: ["PLAIN"] },
    ],
  });
});

test("an index beside the file is made anew; comments stay", async () => {
  const { directory, user } = configured("sasl_users = hash:$config_directory/users\n");
  writeFileSync(join(directory, "users"), "# people\n");
  await user(["add", "ann"], "secret\n");
  expect(readFileSync(join(directory, "users"), "utf8")).toStartWith("# people\nann\t{ARGON2ID}");
  expect((await user(["test", "ann"], "secret\n")).code).toBe(0);
  const asked = await runMta(["-c", directory, "postmap", "-q", "ann", `hash:${directory}/users`]);
  expect(asked.stdout).toStartWith("{ARGON2ID}");
});

test("what cannot be done is said, and nothing is changed", async () => {
  const { users, user } = configured();
  await user(["add", "ann"], "secret\n");
  const before = readFileSync(users, "utf8");
  const refused = async (args: readonly string[], input: string, code: number, text: string) =>
    expect(await user(args, input)).toEqual({ code, stdout: "", stderr: `mta user: fatal: ${text}\n` });
  await refused(
    ["add", "ann"],
    "x\n",
    1,
    `ann is in ${users} already: "mta user passwd" changes the password`,
  );
  await refused(["passwd", "bob"], "x\n", 1, `bob is not in ${users}`);
  await refused(["remove", "bob"], "", 1, `bob is not in ${users}`);
  await refused(["test", "bob"], "x\n", 1, `bob is not in ${users}`);
  await refused(["add", "bob"], "", 1, "no password on standard input");
  await refused(["add", "bob"], "\n", 1, "a password has no control characters, nor blanks at its ends");
  const more = '("mta user --help" says more)';
  await refused(["add"], "x\n", 64, `say whom ${more}`);
  await refused(["add", "a b"], "x\n", 64, `a name has no blanks, quotes or backslashes ${more}`);
  await refused(["drop", "ann"], "", 64, `unknown action: "drop" ${more}`);
  await refused(
    ["add", "bob", "--scheme", "md5"],
    "x\n",
    64,
    `unknown scheme: "md5"; there are ARGON2ID, SCRAM-SHA-256, PLAIN ${more}`,
  );
  expect(readFileSync(users, "utf8")).toBe(before);
});

test("users in a database are changed there; --json tells what was done", async () => {
  const { user } = configured("sasl_users = sqlite:/etc/users.cf\n");
  expect((await user(["add", "ann"], "x\n")).stderr).toBe(
    "mta user: fatal: sasl_users = sqlite:/etc/users.cf has no file: change users where they are kept\n",
  );
  const { users, user: other } = configured();
  const added = await other(["add", "ann", "--json"], "x\n");
  expect(JSON.parse(added.stdout)).toEqual({
    user: "ann",
    file: users,
    action: "add",
    schemes: ["ARGON2ID"],
  });
  const tested = await other(["test", "ann", "--json"], "y\n");
  expect([JSON.parse(tested.stdout).right, tested.code]).toEqual([false, 1]);
});

test("many at a time: each change is there", async () => {
  const { user } = configured();
  const names = Array.from({ length: 8 }, (_, number) => `user${number}`);
  const codes = await Promise.all(
    names.map(async (name) => (await user(["add", name, "--scheme", "plain"], "x\n")).code),
  );
  expect(codes).toEqual(names.map(() => 0));
  expect(JSON.parse((await user(["list", "--json"])).stdout).users.length).toBe(8);
});

/** What a terminal shows of a command while somebody types. */
function typed(
  directory: string,
  args: string,
  input: string,
): { readonly shown: string; readonly code: number | null } {
  const command = `${BINARY} -c ${directory} user ${args}`;
  const { stdout, status } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8", input });
  return { shown: stdout.replaceAll("\r\n", "\n"), code: status };
}

onTerminal("on a terminal the password is asked for twice and not shown", () => {
  const { directory, users } = configured();
  const { shown, code } = typed(directory, "add ann", "sekrit\x7ft\rsekrit\r");
  expect({ shown: shown.replace(/^.*Password/s, "Password"), code }).toEqual({
    shown: "Password of ann: \nAgain: \n",
    code: 0,
  });
  expect(readFileSync(users, "utf8")).toStartWith("ann\t{ARGON2ID}");
});
