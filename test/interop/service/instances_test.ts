// postmulti(1) and postfix(1) with several instances, beside the real ones: in a mount namespace with an /etc/postfix of our own.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { BINARY } from "../../kit/server.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix", "script");
setDefaultTimeout(180_000);

const INSTANCES: Readonly<Record<string, readonly string[]>> = {
  etc: [],
  one: ["multi_instance_name = postfix-one", "multi_instance_group = mta", "multi_instance_enable = yes"],
  two: ["multi_instance_name = postfix-two", "multi_instance_group = other"],
};

/** Three instances in a folder; the first one is to be /etc/postfix. */
function makeInstances(primary: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), "mta-instances-"));
  chmodSync(root, 0o755);
  for (const [name, lines] of Object.entries(INSTANCES)) {
    for (const folder of [name, `${name}-queue`, `${name}-data`]) mkdirSync(join(root, folder));
    spawnSync("chown", ["postfix", join(root, `${name}-data`)]);
    const main = [
      "compatibility_level = 3.6",
      `queue_directory = ${root}/${name}-queue`,
      `data_directory = ${root}/${name}-data`,
      "mail_owner = postfix",
      "setgid_group = postdrop",
      "inet_interfaces = 127.0.0.1",
      "myhostname = mail.example.com",
      `maillog_file = ${root}/${name}-log`,
      "maillog_file_prefixes = /",
      ...lines,
    ];
    const more = name === "etc" ? primary.map((line) => line.replaceAll("ROOT", root)) : [];
    const named = (line: string) => line.split(" ")[0];
    const kept = main.filter((line) => !more.some((other) => named(other) === named(line)));
    writeFileSync(join(root, name, "main.cf"), [...kept, ...more, ""].join("\n"));
    writeFileSync(
      join(root, name, "master.cf"),
      "postlog unix-dgram n - n - 1 postlogd\nqmgr unix n - n 300 1 qmgr\n",
    );
  }
  mkdirSync(join(root, "bin"));
  for (const name of ["postmulti", "postfix"]) symlinkSync(BINARY, join(root, "bin", name));
  return root;
}

/** Runs command lines with a terminal, ROOT/etc as /etc/postfix, and the tools from a folder: what each says, and its status. */
async function run(root: string, tools: string, lines: readonly string[]): Promise<string[]> {
  const commands = lines.map((line) => {
    const command = line.replace(/^(?=post)/, "TOOLS/").replaceAll("TOOLS", tools).replaceAll("ROOT", root);
    return `echo '== ${line}'\n${command}\necho "status $?"\n`;
  });
  writeFileSync(join(root, "script"), commands.join(""));
  const script = 'mount --bind "$1/etc" /etc/postfix && exec script -qec "sh $1/script" /dev/null';
  const child = spawn("unshare", ["-m", "sh", "-c", script, "sh", root], {
    env: { PATH: process.env.PATH! },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 120_000,
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => stdout += chunk);
  await new Promise((done) => child.on("close", done));
  const said = stdout.replaceAll("\r\n", "\n").replaceAll(root, "ROOT").replaceAll(tools, "TOOLS");
  return said.split(/^(?=== )/m);
}

const DIRECTORIES = "multi_instance_directories = ROOT/one, ROOT/two";
const WRAPPED = [DIRECTORIES, "multi_instance_wrapper = ${command_directory}/postmulti -p --"];

const SINGLE = [
  "postmulti -l",
  "postmulti -l -i -",
  "postmulti -l -g mta",
  "postmulti -p status",
  "postmulti -x true",
  "postfix status",
];
const SEVERAL = [
  "postmulti -l",
  "postmulti -l -a",
  "postmulti -l -a -a",
  "postmulti -lR",
  "postmulti -l -i -",
  "postmulti -l -i one",
  "postmulti -l -i postfix-two",
  "postmulti -l -i ROOT/two",
  "postmulti -l -g mta",
  "postmulti -l -g none",
  "postmulti -p status",
  "postmulti -p stop",
  "postmulti -g other -p status",
  "postmulti -i nobody -p status",
  "postmulti -x printenv multi_instance_name multi_instance_group multi_instance_enable",
  "postmulti -i two -x printenv MAIL_CONFIG config_directory queue_directory data_directory",
  "postmulti -i one -x false",
  "postmulti -i nobody -x true",
];
const REFUSED = [
  "postmulti",
  "postmulti -l -p",
  "postmulti -l -l",
  "postmulti -p",
  "postmulti -l foo",
  "postmulti -Z",
  "postmulti -p -R status",
  "postmulti -g mta -i one -l",
  "postmulti -l -I postfix-x",
  "postmulti -e nope",
  "postmulti -e enable",
  "postmulti -e enable -i nobody",
  "postmulti -e enable -I postfix-x -i two",
  "postmulti -e assign -i two",
  "postmulti -e enable -i two x=y",
];
const BY_POSTFIX = [
  "postfix status",
  "postfix foo",
  "postfix -c /etc/postfix status",
  "postfix -c ROOT/one status",
  "postfix -c ROOT/one foo",
  "postfix -c rel status",
  "postfix -Z",
  "env MAIL_CONFIG=ROOT/one TOOLS/postmulti -l",
  "env MAIL_CONFIG=ROOT/one TOOLS/postfix status",
];
/** One after another, as each changes what the next one sees. */
const EDITS = [
  "postmulti -e enable -i two",
  "postmulti -e init",
  "postmulti -l",
  "postmulti -e enable -i two",
  "postmulti -e assign -i two -I postfix-zwei -G mta",
  "postmulti -e assign -i zwei -I bad",
  "postmulti -e assign -i zwei -I postfix-one",
  "postmulti -l",
  "postmulti -e deport -i -",
  "postmulti -e deport -i zwei",
  "postmulti -e disable -i zwei",
  "postmulti -e assign -i zwei -G -",
  "postmulti -l",
  "postmulti -e deport -i zwei",
  "postmulti -l",
];

/** Both on folders of their own. */
async function compared(primary: readonly string[], lines: readonly string[]): Promise<void> {
  const [theirs, ours] = [makeInstances(primary), makeInstances(primary)];
  try {
    const said = await Promise.all([run(ours, join(ours, "bin"), lines), run(theirs, "/usr/sbin", lines)]);
    expect(said[0]).toEqual(said[1]);
    // postconf(1) adds new parameters in the order of its own table.
    const main = (root: string, name: string) =>
      readFileSync(join(root, name, "main.cf"), "utf8").replaceAll(root, "ROOT").split("\n").sort();
    for (const name of Object.keys(INSTANCES)) expect(main(ours, name)).toEqual(main(theirs, name));
  } finally {
    for (const root of [theirs, ours]) rmSync(root, { recursive: true });
  }
}

const without = existsSync("/etc/mta/main.cf") ? test.skip : test.concurrent;

without("a single instance", () => compared([], SINGLE));
without("several instances: what is listed and run", () => compared(WRAPPED, SEVERAL));
without("several instances: what is refused", () => compared(WRAPPED, REFUSED));
without("several instances: postfix", () => compared(WRAPPED, BY_POSTFIX));
without(
  "instances without a wrapper",
  () => compared([DIRECTORIES], ["postfix status", "postmulti -p status"]),
);
without(
  "another wrapper is given the command",
  () =>
    compared([DIRECTORIES, "multi_instance_wrapper = /bin/echo wrapped"], [
      "postfix status",
      "postfix start now",
      "postfix -c /etc/postfix status",
    ]),
);
without(
  "two instances with one folder",
  () => compared([...WRAPPED, "queue_directory = ROOT/one-queue"], ["postmulti -l"]),
);
without("edits", () => compared([DIRECTORIES], EDITS));
