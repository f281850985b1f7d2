// What scripts/install puts where, staged into a folder: links of commands, and what is another mail system's stays.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { COMMANDS } from "../../../src/commands/command_rows.ts";
import { withPeers } from "../../kit/peers.ts";

setDefaultTimeout(60_000);
const { test } = withPeers(import.meta.path, "dist/mta");
const ROOT = resolve(import.meta.dirname, "../../..");
let stage = "";
afterEach(() => fs.rmSync(stage, { recursive: true, force: true }));

function install(): string {
  const done = spawnSync("sh", [join(ROOT, "scripts/install"), "--destdir", stage]);
  expect(done.stderr.toString()).toBe("");
  return done.stdout.toString();
}

const linkIn = (folder: string) =>
  Object.fromEntries(
    fs.readdirSync(join(stage, folder)).filter((name) =>
      fs.lstatSync(join(stage, folder, name)).isSymbolicLink()
    )
      .map((name) => [name, fs.readlinkSync(join(stage, folder, name))]),
  );

test("sendmail and its kin are links to the binary, where programs look for them and beside it", () => {
  stage = fs.mkdtempSync(join(tmpdir(), "mta-install-"));
  for (let times = 0; times < 2; times++) expect(install()).not.toContain("another's");
  expect(linkIn("usr/sbin")).toEqual({ sendmail: "/usr/local/bin/mta" });
  expect(linkIn("usr/lib")).toEqual({ sendmail: "/usr/local/bin/mta" });
  expect(linkIn("usr/bin")).toEqual({ mailq: "/usr/local/bin/mta", newaliases: "/usr/local/bin/mta" });
  const beside = Object.entries(linkIn("usr/local/bin"));
  expect(beside.map(([name, target]) => [Object.hasOwn(COMMANDS, name), target]))
    .toEqual(beside.map(() => [true, "mta"]));
  for (
    const name of ["sendmail", "mailq", "postqueue", "postsuper", "postcat", "postlog", "qshape", "postmap"]
  ) {
    expect(beside.map(([link]) => link)).toContain(name);
  }
});

test("another mail system's sendmail stays, and that is said", () => {
  stage = fs.mkdtempSync(join(tmpdir(), "mta-install-"));
  fs.mkdirSync(join(stage, "usr/sbin"), { recursive: true });
  fs.mkdirSync(join(stage, "usr/lib"), { recursive: true });
  fs.writeFileSync(join(stage, "usr/sbin/sendmail"), "theirs");
  fs.symlinkSync("../sbin/sendmail", join(stage, "usr/lib/sendmail"));
  const said = install();
  for (const link of ["/usr/sbin/sendmail", "/usr/lib/sendmail"]) {
    expect(said).toContain(`kept ${link}, which is another's (docs/sendmail.md)\n`);
  }
  expect(fs.readFileSync(join(stage, "usr/sbin/sendmail"), "utf8")).toBe("theirs");
  expect(fs.readlinkSync(join(stage, "usr/lib/sendmail"))).toBe("../sbin/sendmail");
});
