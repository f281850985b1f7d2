// `deno task start`: serves config/dev on port 2525 with all state under ./var, and says what to try next.
import { chmodSync, copyFileSync, lstatSync, mkdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname!, "..");
const state = join(root, "var");
const binary = join(root, "dist/mta");

const NEXT = `
mta serves mail for example.com on 127.0.0.1:2525; state is in ./var, Ctrl-C stops it. In another terminal, try:

  nc -C 127.0.0.1 2525                          and type a session: helo, mail from:, rcpt to:<webmaster@example.com>, data
  cat var/mail/webmaster                        the mailbox
  curl -s http://127.0.0.1:8025/readyz          health; /metrics for Prometheus
  ./dist/mta -c config/dev postconf -n          the settings that are not defaults
  ./dist/mta -c config/dev status               the processes
`;

/** Whether users other than root can get to a folder. */
function reachable(folder: string): boolean {
  for (let at = folder;; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === "/") return true;
  }
}

/**
 * Started as root, workers run as nobody, who cannot enter a checkout in somebody's private home: then the binary and the state
 * live in a folder below /tmp, and ./var leads there.
 */
function openPlace(): { readonly program: string; readonly home: string } {
  if (process.getuid?.() !== 0 || reachable(root)) return { program: binary, home: state };
  const home = `/tmp/mta-dev-${Bun.hash(root).toString(36)}`;
  mkdirSync(home, { recursive: true, mode: 0o755 });
  const { uid, mode } = lstatSync(home);
  if (uid !== 0 || (mode & 0o022) !== 0 || !lstatSync(home).isDirectory()) {
    throw new Error(`${home} is not ours: remove it`);
  }
  const program = join(home, "mta");
  rmSync(program, { force: true });
  copyFileSync(binary, program);
  if (lstatSync(state, { throwIfNoEntry: false }) === undefined) symlinkSync(home, state);
  return { program, home };
}

function prepare(home: string): void {
  for (const name of ["queue", "data", "mail"]) mkdirSync(join(home, name), { recursive: true });
  if (process.getuid?.() !== 0) return;
  Bun.spawnSync(["chown", "-R", "nobody", join(home, "queue"), join(home, "data")]);
  // Like /var/mail: whoever delivers may make a mailbox, and only its owner may remove it.
  chmodSync(join(home, "mail"), 0o1777);
}

const { program, home } = openPlace();
prepare(home);
console.log(NEXT);
const child = Bun.spawn([program, "-c", join(root, "config/dev"), "serve"], {
  stdin: "inherit",
  stdout: "inherit",
  stderr: "inherit",
  env: {
    ...process.env,
    MTA_queue_directory: join(home, "queue"),
    MTA_data_directory: join(home, "data"),
    MTA_mail_spool_directory: join(home, "mail"),
  },
});
// Ctrl-C reaches the server itself; a SIGTERM to the task is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
process.exit(await child.exited);
