// A wall clock of its own for a server under test, which can be set while it runs; waiting is not affected, as when an operator
// sets a system's clock.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIBRARY = `/usr/lib/${
  process.arch === "arm64" ? "aarch64" : "x86_64"
}-linux-gnu/faketime/libfaketimeMT.so.1`;

/** A clock that is set by `step`. */
export interface FakedTime {
  /** For the server's start. */
  readonly env: Readonly<Record<string, string>>;
  /** Lines of main.cf that hand the clock on to all of its processes. */
  readonly mainCf: readonly string[];
  /** Seconds by which it differs from the true time. */
  readonly offset: number;
  step(seconds: number): void;
  remove(): void;
}

/** A faked clock that shows the true time at first (libfaketime). */
export function fakedTime(): FakedTime {
  const directory = mkdtempSync(join(tmpdir(), "mta-time-"));
  Bun.spawnSync(["chmod", "755", directory]);
  const file = join(directory, "offset");
  let offset = 0;
  const write = () => {
    // In one step: it is read at every look at the clock.
    writeFileSync(`${file}.new`, `${offset < 0 ? "" : "+"}${offset}\n`, { mode: 0o644 });
    renameSync(`${file}.new`, file);
  };
  write();
  const env = {
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    DONT_FAKE_MONOTONIC: "1",
  };
  return {
    env,
    mainCf: [`import_environment = MAIL_CONFIG TZ LANG=C ${Object.keys(env).join(" ")}`],
    get offset() {
      return offset;
    },
    step(seconds) {
      offset += seconds;
      write();
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
