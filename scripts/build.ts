// Builds dist/mta: one executable with everything in it. `--quick` skips minification and bytecode.
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname!, "..");
const dist = join(root, "dist");

/** Environment variables by which Bun lets the caller steer the runtime; overwritten in the executable's bytes. */
const STEERING = ["BUN_BE_BUN", "BUN_OPTIONS", "BUN_INSPECT"];

/** A copy of the Bun executable in which those names cannot be matched by any real variable. */
function patchedBun(): string {
  const original = join(root, "node_modules/bun/bin/bun.exe");
  const patched = join(dist, ".bun-patched");
  try {
    if (statSync(patched).mtimeMs > statSync(original).mtimeMs) return patched;
  } catch { /* not there yet */ }
  const bytes = readFileSync(original);
  for (const name of STEERING) {
    let found = 0;
    for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) {
      bytes.fill(0x3d, at, at + name.length); // "=" cannot occur in a variable's name
      found++;
    }
    if (found === 0) throw new Error(`${name} not found in the Bun executable: has it been renamed?`);
  }
  writeFileSync(`${patched}.tmp`, bytes, { mode: 0o755 });
  renameSync(`${patched}.tmp`, patched);
  return patched;
}

function version(): string {
  return JSON.parse(readFileSync(join(root, "deno.json"), "utf8")).version;
}

function build(): void {
  mkdirSync(dist, { recursive: true });
  const quick = process.argv.includes("--quick");
  const outfile = resolve(
    process.argv.find((arg) => arg.startsWith("--outfile="))?.slice(10) ?? join(dist, "mta"),
  );
  mkdirSync(dirname(outfile), { recursive: true });
  const args = [
    "build",
    "--compile",
    ...(quick ? [] : ["--minify-syntax", "--minify-whitespace", "--bytecode"]),
    "--format=esm",
    "--splitting",
    "--sourcemap",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    `--compile-executable-path=${patchedBun()}`,
    "--define",
    `MTA_VERSION=${JSON.stringify(version())}`,
    join(root, "src/main.ts"),
    "--outfile",
    `${outfile}.new`,
  ];
  const run = Bun.spawnSync([process.execPath, ...args], { cwd: root, stdout: "pipe", stderr: "pipe" });
  if (run.exitCode !== 0) {
    console.error(run.stdout.toString() + run.stderr.toString());
    process.exit(1);
  }
  chmodSync(`${outfile}.new`, 0o755);
  renameSync(`${outfile}.new`, outfile);
  for (const name of readdirSync(dirname(outfile))) {
    if (name.endsWith(".map")) rmSync(join(dirname(outfile), name));
  }
  console.log(
    `built ${relative(process.cwd(), outfile)} ${version()} (${Math.round(statSync(outfile).size / 1e6)} MB)`,
  );
}

build();
