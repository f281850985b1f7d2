// Runs all tests with `bun test` and closes with one line: `N passed, N failed, N skipped`. Folders run one after the other,
// so that whole-binary tests do not compete with property tests for the machine. Arguments narrow it: `scripts/test.ts src/queue`.
// Files whose peers are not installed are skipped, and named; with `MTA_NO_SKIPPING=1` (as in CI) a skipped test is a failure.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname!, "..");

/** What runs in one `bun test`, and how long a single test of it may take. */
const SUITES = [
  { path: "scripts", timeout: 30_000 },
  { path: "src", timeout: 30_000 },
  { path: "test/readers", timeout: 60_000 },
  { path: "test/whole", timeout: 180_000 },
  { path: "test/interop", timeout: 180_000 },
] as const;

/** What a suite may take altogether, so that one that hangs does not hold up the rest, in milliseconds. */
const TIME_LIMIT = 20 * 60_000;

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

function countOf(junit: string): Count {
  const head = /<testsuites[^>]*>/.exec(junit)?.[0] ?? "";
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const [tests, failed, skipped] = [
    number("tests"),
    number("failures") + number("errors"),
    number("skipped"),
  ];
  return { passed: tests - failed - skipped, failed, skipped };
}

function runSuite(path: string, timeout: number, folder: string): Count {
  const report = join(folder, "report.xml");
  rmSync(report, { force: true });
  const run = Bun.spawnSync([
    process.execPath,
    "--no-install",
    "test",
    `--timeout=${timeout}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    path,
  ], {
    cwd: root,
    env: process.env,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    timeout: TIME_LIMIT,
  });
  if (run.exitedDueToTimeout) {
    console.log(
      `# ${path}: given up after ${TIME_LIMIT / 60_000} minutes; the file that was named last does not end`,
    );
  }
  const count = existsSync(report)
    ? countOf(readFileSync(report, "utf8"))
    : { passed: 0, failed: 0, skipped: 0 };
  // A crash of the runner, or a file that does not load, is a failure even when no test says so.
  return run.exitCode !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count;
}

/** Whether users other than root can get to a folder. */
function reachable(folder: string): boolean {
  for (let at = folder;; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === "/") return true;
  }
}

/**
 * Started as root, workers and the attackers of some tests run as somebody else, who cannot start an executable in root's private
 * home: they are lent copies of ours and of the runtime.
 */
function lendPrograms(folder: string): void {
  if (process.getuid?.() !== 0 || reachable(root)) return;
  chmodSync(folder, 0o755);
  const lend = (variable: string, program: string, name: string) => {
    if (process.env[variable] !== undefined || !existsSync(program)) return;
    copyFileSync(program, process.env[variable] = join(folder, name));
  };
  lend("MTA_BINARY", join(root, "dist/mta"), "mta");
  lend("TEST_RUNTIME", process.execPath, "bun");
}

/** Test files that no suite runs: a folder that nobody added to SUITES. */
function orphans(): string[] {
  return ["scripts", "src", "test"].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: "utf8" })
      .filter((name) => /_test\.tsx?$/.test(name)).map((name) => `${top}/${name}`)
  ).filter((file) => !SUITES.some(({ path }) => file.startsWith(`${path}/`)));
}

function main(): void {
  const forgotten = orphans();
  if (forgotten.length > 0) {
    console.error(`not in any suite of scripts/test.ts: ${forgotten.join(", ")}`);
    process.exit(1);
  }
  const folder = mkdtempSync(join(tmpdir(), "mta-test-"));
  lendPrograms(folder);
  const wanted = process.argv.slice(2);
  const suites = wanted.length > 0 ? wanted.map((path) => ({ path, timeout: 180_000 })) : SUITES;
  let total: Count = { passed: 0, failed: 0, skipped: 0 };
  for (const { path, timeout } of suites) {
    if (!existsSync(join(root, path))) continue;
    console.log(`\n# ${path}`);
    const started = performance.now();
    const count = runSuite(path, timeout, folder);
    console.log(`# ${path}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    total = {
      passed: total.passed + count.passed,
      failed: total.failed + count.failed,
      skipped: total.skipped + count.skipped,
    };
  }
  rmSync(folder, { recursive: true, force: true });
  const mayNotSkip = process.env.MTA_NO_SKIPPING === "1" && total.skipped > 0;
  if (mayNotSkip) console.log("\nskipped tests count as failures here (MTA_NO_SKIPPING)");
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exit(total.failed > 0 || total.passed === 0 || mayNotSkip ? 1 : 0);
}

main();
