// A private Dovecot that only authenticates (package dovecot-core): a folder of its own, a unix socket and a loopback port.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DOVECOT_USERS } from "../memory/memory_dovecot.ts";
import { freePort } from "../server.ts";
import { answers } from "./reachable.ts";
import { spawnTied } from "./tied_child.ts";
import { until } from "../waiting.ts";

/** A running Dovecot. */
export interface Dovecot {
  /** Its socket of the auth-client protocol. */
  readonly socket: string;
  readonly port: number;
  log(): string;
  /** Ends it and starts it again on the same socket and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface DovecotOptions {
  /** Folder and name of the socket, when it shall not be Dovecot's own. */
  readonly socket?: string;
  /** Further lines for its passwd-file. */
  readonly users?: readonly string[];
  /** Further lines for dovecot.conf. */
  readonly config?: string;
  /** Who may open the socket; everybody when left out. */
  readonly mode?: string;
}

/** No penalty for those who guess, nor a delay for those who fail: dozens of tests come from one address. */
const HURRY = `auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`;

function configuration(folder: string, port: number, options: DovecotOptions): string {
  const { socket = join(folder, "auth"), mode = "mode = 0666", config = "" } = options;
  return `base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 anonymous scram-sha-256
auth_verbose = yes
passdb {
  driver = passwd-file
  args = ${folder}/users
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
service auth {
  unix_listener ${socket} {
    ${mode}
  }
  inet_listener {
    address = 127.0.0.1
    port = ${port}
  }
}
${HURRY}${config}`;
}

/** Starts it; needs root. */
export async function startDovecot(options: DovecotOptions = {}): Promise<Dovecot> {
  const folder = mkdtempSync(join(tmpdir(), "dovecot-"));
  chmodSync(folder, 0o755);
  for (const name of ["run", "state"]) mkdirSync(join(folder, name), { mode: 0o755 });
  const port = await freePort();
  const file = join(folder, "dovecot.conf");
  const socket = options.socket ?? join(folder, "auth");
  const users = Object.entries(DOVECOT_USERS).map(([name, password]) => `${name}:{PLAIN}${password}::::::`);
  writeFileSync(join(folder, "users"), [...users, ...options.users ?? [], ""].join("\n"), { mode: 0o644 });
  writeFileSync(file, configuration(folder, port, { ...options, socket }));
  const log = () => {
    try {
      return readFileSync(join(folder, "log"), "utf8");
    } catch {
      return "";
    }
  };
  const start = async () => {
    const child = spawnTied("/usr/sbin/dovecot", ["-F", "-c", file], { stdio: "ignore" });
    const exited = new Promise<void>((done) => child.on("exit", () => done()));
    await until(`Dovecot at ${socket}`, () => answers(socket));
    return async () => {
      child.kill("SIGTERM");
      await exited;
      rmSync(socket, { force: true });
    };
  };
  let end = await start();
  return {
    socket,
    port,
    log,
    async restart() {
      await end();
      end = await start();
    },
    async stop() {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
