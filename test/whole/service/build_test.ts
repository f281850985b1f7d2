// What the build promises of the executable: an error in it names our files and lines.
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname!, "../../..");

test(
  "a stack trace of the executable names our file and line",
  () => {
    const home = mkdtempSync(join(tmpdir(), "mta-build-"));
    try {
      for (const name of ["src", "scripts", "deno.json"]) {
        cpSync(join(root, name), join(home, name), {
          recursive: true,
        });
      }
      symlinkSync(join(root, "node_modules"), join(home, "node_modules"));
      const file = join(home, "src/commands/service/version_command.ts");
      const lines = readFileSync(file, "utf8").split("\n");
      const at = lines.findIndex((line) => line.includes("writeOut("));
      lines[at] = '  if (Date.now() > 0) throw new Error("on purpose");' + lines[at];
      writeFileSync(file, lines.join("\n"));
      const built = Bun.spawnSync([process.execPath, "--no-install", "scripts/build.ts"], { cwd: home });
      expect(built.stderr.toString()).toBe("");
      const ran = Bun.spawnSync([join(home, "dist/mta"), "version"]);
      expect(ran.stderr.toString()).toContain(`src/commands/service/version_command.ts:${at + 1}:`);
      expect(ran.exitCode).not.toBe(0);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  },
  180_000,
);
