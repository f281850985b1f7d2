// A private instance of the real Postfix, for interop tests: own configuration, queue, log and ports; needs root.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { until } from "../waiting.ts";

export interface PostfixInstance {
  readonly configDirectory: string;
  /** The log so far. */
  log(): string;
  /** Waits until the log matches; rejects with the log's end when it does not. */
  waitForLog(pattern: RegExp): Promise<string>;
  stop(): Promise<void>;
}

const SERVICES = `cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush -o fast_flush_domains=static:all
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
local unix - n n - - local
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`;

/** Starts an instance. `master` lines are added to the usual services (which have no chroot; there is no pickup). */
export async function startPostfix(
  options: {
    readonly main: Readonly<Record<string, string>>;
    readonly master: string;
    /** Further files for the configuration directory (`$config_directory/name`). */
    readonly files?: Readonly<Record<string, string>>;
    /** The only name server that the instance knows (port 53), in place of the system's. */
    readonly nameServer?: string;
  },
): Promise<PostfixInstance> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "postfix-"));
  fs.chmodSync(root, 0o755);
  const etc = path.join(root, "etc");
  for (const name of ["etc", "queue", "data"]) fs.mkdirSync(path.join(root, name));
  const main: Record<string, string> = {
    compatibility_level: "3.6",
    queue_directory: path.join(root, "queue"),
    data_directory: path.join(root, "data"),
    mail_owner: "postfix",
    setgid_group: "postdrop",
    myhostname: "mail.example.com",
    mydestination: "",
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    mynetworks: "127.0.0.0/8",
    maillog_file: path.join(root, "maillog"),
    maillog_file_prefixes: root,
    alias_maps: "",
    ...options.main,
  };
  fs.writeFileSync(path.join(etc, "main.cf"), Object.entries(main).map(([k, v]) => `${k} = ${v}\n`).join(""));
  fs.writeFileSync(path.join(etc, "master.cf"), `${options.master}\n${SERVICES}`);
  for (const [name, text] of Object.entries(options.files ?? {})) {
    fs.mkdirSync(path.dirname(path.join(etc, name)), { recursive: true });
    fs.writeFileSync(path.join(etc, name), text);
  }
  spawnSync("chown", ["postfix", path.join(root, "data")]);
  const started = await run(...startCommand(etc, options.nameServer));
  const log = () => {
    try {
      return fs.readFileSync(path.join(root, "maillog"), "utf8");
    } catch {
      return "";
    }
  };
  if (started.code !== 0) {
    const said = `${started.stderr.slice(-2000)}\n${log().slice(-2000)}`;
    fs.rmSync(root, { recursive: true, force: true });
    throw new Error(`postfix did not start: ${said}`);
  }
  const release = guard(etc, root);
  return {
    configDirectory: etc,
    log,
    waitForLog: async (pattern) => {
      await until(() => `${pattern} in Postfix's log:\n${log().slice(-3000)}`, () => pattern.test(log()));
      return log();
    },
    stop: async () => {
      release();
      await run("/usr/sbin/postfix", "-c", etc, "stop");
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Not by spawnSync: other tests, and servers of theirs, live in this process. */
function run(program: string, ...args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => stderr += chunk);
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", (code) => resolve({ code, stderr }));
  });
}

/** Who ends the instance when this process is gone, however that came: its end of the pipe is closed then. */
function guard(etc: string, root: string): () => void {
  const script = 'read -r released || { /usr/sbin/postfix -c "$0" stop; rm -rf "$1"; }';
  const child = spawn("sh", ["-c", script, etc, root], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.unref();
  child.stdin.on("error", () => {});
  return () => void child.stdin.end("released\n");
}

/** The start; with a name server, in a mount namespace with a resolv.conf of its own. */
function startCommand(etc: string, nameServer: string | undefined): [string, ...string[]] {
  if (nameServer === undefined) return ["/usr/sbin/postfix", "-c", etc, "start"];
  const file = path.join(etc, "resolv.conf");
  fs.writeFileSync(file, `nameserver ${nameServer}\noptions timeout:3 attempts:1\n`);
  const script = 'mount --bind "$1" /etc/resolv.conf && exec /usr/sbin/postfix -c "$2" start';
  return ["unshare", "-m", "sh", "-c", script, "sh", file, etc];
}
