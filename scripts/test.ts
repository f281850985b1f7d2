// Runs all tests with `bun test` and closes with one line: `N passed, N failed, N skipped`. Folders run one after the other,
// so that whole-binary tests do not compete with property tests for the machine. Arguments narrow it: `scripts/test.ts src/queue`.
// What failed is told once more at the end, with its reason, and its file run again, alone (`runAgain`).
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
import { type Count, countOf, type Failure, failuresOf } from "./junit_report.ts";

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
const TIME_LIMIT = 30 * 60_000;

/** So many files at most are given a second run; more that fail are no accident. */
const SECOND_RUNS = 3;

interface Outcome extends Count {
  readonly failures: readonly Failure[];
}

function runSuite(path: string, timeout: number, folder: string): Outcome {
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
  const junit = existsSync(report) ? readFileSync(report, "utf8") : "";
  const count = { ...countOf(junit), failures: failuresOf(junit) };
  // A crash of the runner, or a file that does not load, is a failure even when no test says so.
  if (run.exitCode === 0 || count.failed > 0) return count;
  const text = `the runner ended with ${run.exitCode ?? run.signalCode}; the reason is above`;
  return { ...count, failed: 1, failures: [{ file: path, line: "0", test: "(all)", text }] };
}

const add = (a: Outcome, b: Outcome): Outcome => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
  failures: [...a.failures, ...b.failures],
});

function tell(title: string, failures: readonly Failure[]): void {
  for (const { file, line, test, text } of failures) {
    console.log(`\n# ${title}: ${file}:${line} ${test}\n${text.slice(0, 4000)}`);
  }
}

/**
 * Runs files of which a test failed once more, alone: a test that fails only on a machine that is busy with others is to be mended,
 * and is named at the end, but does not say that the program is wrong. What fails again has failed.
 */
function runAgain(first: Outcome, folder: string): Outcome {
  const files = [...new Set(first.failures.map(({ file }) => file))];
  if (files.length === 0 || files.length > SECOND_RUNS || !files.every((file) => file.endsWith("_test.ts"))) {
    tell("failed", first.failures);
    return first;
  }
  tell("failed, and is run again", first.failures);
  const second = files.map((file) => {
    console.log(`\n# again, alone: ${file}`);
    return runSuite(file, 180_000, folder);
  });
  const failures = second.flatMap(({ failures }) => failures);
  tell("failed twice", failures);
  for (const { file, test } of first.failures) {
    const twice = failures.some((other) => other.file === file && other.test === test);
    if (!twice) console.log(`# unsteady: ${file} ${test} failed once and passed alone: mend the test`);
  }
  const failed = second.reduce((sum, { failed }) => sum + failed, 0);
  return { ...first, passed: first.passed + first.failed - failed, failed, failures };
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
  let total: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const { path, timeout } of suites) {
    if (!existsSync(join(root, path))) continue;
    console.log(`\n# ${path}`);
    const started = performance.now();
    total = add(total, runSuite(path, timeout, folder));
    console.log(`# ${path}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
  total = runAgain(total, folder);
  rmSync(folder, { recursive: true, force: true });
  const mayNotSkip = process.env.MTA_NO_SKIPPING === "1" && total.skipped > 0;
  if (mayNotSkip) console.log("\nskipped tests count as failures here (MTA_NO_SKIPPING)");
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exit(total.failed > 0 || total.passed === 0 || mayNotSkip ? 1 : 0);
}

main();
