// Milters of Debian's packages, each with a configuration of the test's, on loopback; they need root.
import { type ChildProcess, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../server.ts";
import { until } from "../waiting.ts";
import { endOf } from "./ending.ts";
import { answers, reachable } from "./reachable.ts";
import { spawnTied } from "./tied_child.ts";

/** Starts filters; each answers its name for `smtpd_milters`. */
export interface DebianFilters {
  /** For what else a test keeps; goes at the end. */
  readonly directory: string;
  /** OpenDKIM that signs mail from example.org, header and body as `canonicalization` says (relaxed/simple). */
  signer(canonicalization?: string): Promise<string>;
  /** rspamd that signs mail from example.org with the same key, relaxed/relaxed. */
  rspamdSigner(): Promise<string>;
  /** What is published of that key. */
  published(): { readonly name: string; readonly record: string };
  /** OpenDKIM that knows example.org's key, or those of `known`, and writes Authentication-Results as mail.example.com. */
  verifier(known?: Readonly<Record<string, string>>): Promise<string>;
  /** OpenDMARC that believes mail.example.com's Authentication-Results and asks the name server at this address (port 53). */
  dmarc(nameServer: string): Promise<string>;
  rspamd(): Promise<string>;
  /** rspamd that asks the name server at this `address:port`, and says the names of what it finds in a message. */
  scanner(nameServer: string): Promise<(message: Buffer) => Promise<readonly string[]>>;
  /** spamass-milter with a spamd of its own that makes local tests, those of `rules` too; from a score of 15 mail is refused. */
  spamassassin(rules: readonly string[]): Promise<string>;
  /** clamav-milter with a clamd of its own that knows nothing but these words; mail that has one is held. */
  clamav(signatures: Readonly<Record<string, string>>): Promise<string>;
  stop(): Promise<void>;
}

/** Starts programs whose files are in this directory. */
interface Launcher {
  readonly directory: string;
  start(program: string, ...args: readonly string[]): void;
  write(name: string, text: string): string;
}

/** Filters to come, in a directory of theirs. */
export function debianFilters(): DebianFilters {
  const directory = mkdtempSync(join(tmpdir(), "mta-filters-"));
  chmodSync(directory, 0o755);
  const children: ChildProcess[] = [];
  const launcher: Launcher = {
    directory,
    start(program, ...args) {
      children.push(spawnTied(program, args, { stdio: "ignore", env: { ...process.env, HOME: directory } }));
    },
    write(name, text) {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    },
  };
  let key: Key | undefined;
  const keyOfExample = () => key ??= makeKey(directory);
  return {
    directory,
    published: () => ({ name: KEY_NAME, record: keyOfExample().record }),
    rspamdSigner: () => rspamdSigner(launcher, keyOfExample().secret),
    signer(canonicalization) {
      const { secret } = keyOfExample();
      return opendkim(
        launcher,
        "s",
        `Domain example.org\nSelector sel\nKeyFile ${secret}\nInternalHosts 127.0.0.1\n`,
        canonicalization,
      );
    },
    verifier(known) {
      const lines = Object.entries(known ?? {}).map(([name, record]) => `${name} ${record}\n`).join("");
      const file = known === undefined ? keyOfExample().known : launcher.write("known", lines);
      return opendkim(launcher, "v", `TestPublicKeys ${file}\nAuthservID mail.example.com\n`);
    },
    dmarc: (nameServer) => opendmarc(launcher, nameServer),
    rspamd: () => rspamd(launcher),
    scanner: (nameServer) => scanner(launcher, nameServer),
    spamassassin: (rules) => spamassassin(launcher, rules),
    clamav: (signatures) => clamav(launcher, signatures),
    async stop() {
      // By SIGTERM: they end what they have started themselves.
      try {
        await Promise.all(children.map(endOf));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}

interface Key {
  readonly secret: string;
  /** The public half, as TestPublicKeys has it. */
  readonly known: string;
  readonly record: string;
}

const KEY_NAME = "sel._domainkey.example.org";

function makeKey(directory: string): Key {
  const [secret, known] = [join(directory, "key.pem"), join(directory, "public")];
  spawnSync("openssl", ["genrsa", "-out", secret, "2048"]);
  const { stdout } = spawnSync("openssl", ["rsa", "-in", secret, "-pubout", "-outform", "DER"]);
  const record = `v=DKIM1; k=rsa; p=${stdout.toString("base64")}`;
  writeFileSync(known, `${KEY_NAME} ${record}\n`);
  chmodSync(secret, 0o600);
  return { secret, known, record };
}

async function listening(port: number): Promise<string> {
  await reachable(port);
  return `inet:127.0.0.1:${port}`;
}

async function opendkim(
  launcher: Launcher,
  mode: "s" | "v",
  lines: string,
  canonicalization = "relaxed/simple",
): Promise<string> {
  const port = await freePort();
  const common = `RequireSafeKeys no\nMode ${mode}\nSocket inet:${port}@127.0.0.1\nSyslog no\nUserID root\n`;
  const file = launcher.write(
    `dkim-${mode}-${port}.conf`,
    `${common}Canonicalization ${canonicalization}\n${lines}`,
  );
  launcher.start("/usr/sbin/opendkim", "-f", "-x", file);
  return await listening(port);
}

/** Its resolver is the C library's: it runs with a resolv.conf of its own. */
async function opendmarc(launcher: Launcher, nameServer: string): Promise<string> {
  const port = await freePort();
  const resolver = launcher.write("resolv.conf", `nameserver ${nameServer}\noptions timeout:10 attempts:2\n`);
  // Without a list of its own it leaves mail of 127.0.0.1 alone.
  const ignored = launcher.write("ignored", "192.0.2.99\n");
  const file = launcher.write(
    "dmarc.conf",
    `Socket inet:${port}@127.0.0.1\nSyslog no\nIgnoreHosts ${ignored}\nAuthservID mail.example.com\n` +
      "TrustedAuthservIDs mail.example.com\nRejectFailures yes\nSPFIgnoreResults yes\nDNSTimeout 30\n",
  );
  const script = 'mount --bind "$1" /etc/resolv.conf && exec /usr/sbin/opendmarc -f -c "$2"';
  launcher.start("/usr/bin/unshare", "-m", "sh", "-c", script, "sh", resolver, file);
  return await listening(port);
}

async function rspamd(launcher: Launcher): Promise<string> {
  const port = await freePort();
  const { directory } = launcher;
  const file = launcher.write(
    "rspamd.conf",
    `.include "/etc/rspamd/common.conf"
options { pidfile = "${directory}/rspamd.pid"; dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; } }
logging { type = "console"; level = "error"; }
worker "normal" { enabled = false; }
worker "controller" { enabled = false; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:${port}";
  milter = yes;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
`,
  );
  return await startRspamd(launcher, file, port);
}

async function rspamdSigner(launcher: Launcher, secret: string): Promise<string> {
  const port = await freePort();
  const { directory } = launcher;
  // It runs as somebody else for a moment.
  const key = launcher.write("rspamd-key.pem", readFileSync(secret, "latin1"));
  const file = launcher.write(
    "signer.conf",
    `.include "/etc/rspamd/common.conf"
options { filters = "dkim"; pidfile = "${directory}/signer.pid"; dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; } }
logging { type = "console"; level = "error"; }
worker "normal" { enabled = false; }
worker "controller" { enabled = false; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:${port}";
  milter = yes;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
dkim_signing {
  enabled = true;
  sign_local = true;
  sign_authenticated = true;
  use_esld = false;
  allow_hdrfrom_mismatch = true;
  allow_username_mismatch = true;
  check_pubkey = false;
  domain { example.org { selectors [ { path = "${key}"; selector = "sel"; } ] } }
}
`,
  );
  return await startRspamd(launcher, file, port);
}

/** Asked by HTTP, as rspamc(1) does it. */
async function scanner(
  launcher: Launcher,
  nameServer: string,
): Promise<(message: Buffer) => Promise<readonly string[]>> {
  const port = await freePort();
  const { directory } = launcher;
  const file = launcher.write(
    "scanner.conf",
    `.include "/etc/rspamd/common.conf"
options { filters = "dkim,regexp"; pidfile = "${directory}/scanner.pid"; dns { nameserver = ["${nameServer}"]; timeout = 20s; retransmits = 1; } task_timeout = 120s; }
logging { type = "console"; level = "error"; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; task_timeout = 120s; }
worker "controller" { enabled = false; }
worker "rspamd_proxy" { enabled = false; }
`,
  );
  await startRspamd(launcher, file, port);
  return async (message) => {
    const asked = await fetch(`http://127.0.0.1:${port}/checkv2`, {
      method: "POST",
      // It leaves mail of its own networks alone.
      headers: { IP: "192.0.2.25", From: "sender@example.com", Rcpt: "b@far.example" },
      body: new Uint8Array(message),
    });
    const found = await asked.json() as {
      readonly symbols?: Readonly<Record<string, { readonly options?: readonly string[] }>>;
    };
    return Object.entries(found.symbols ?? {}).map(([name, { options = [] }]) =>
      `${name} ${options.join(" ")}`.trim()
    );
  };
}

async function startRspamd(launcher: Launcher, file: string, port: number): Promise<string> {
  const { directory } = launcher;
  const variables = ["--var", `DBDIR=${directory}`, "--var", `RUNDIR=${directory}`];
  launcher.start("/usr/bin/rspamd", "-f", "-i", "-c", file, ...variables);
  return await listening(port);
}

async function spamassassin(launcher: Launcher, rules: readonly string[]): Promise<string> {
  const [daemon, port] = [await freePort(), await freePort()];
  // Root's would change its user for a moment, which unties it; this one is tied as nobody's.
  const nobody = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL", "--"];
  const children = ["--max-children=1", "--min-children=1", "--max-spare=1"];
  const own = [`--helper-home-dir=${launcher.directory}`, "--nouser-config", "--syslog=null"];
  const lines = ["use_bayes 0", ...rules].map((rule) => `--cf=${rule}`);
  const options = ["--local", "--ipv4", `--listen=127.0.0.1:${daemon}`, ...children, ...own, ...lines];
  launcher.start("/usr/bin/setpriv", ...nobody, "/usr/sbin/spamd", ...options);
  await reachable(daemon);
  const asking = ["-d", "127.0.0.1", "-p", `${daemon}`];
  launcher.start("/usr/sbin/spamass-milter", "-p", `inet:${port}@127.0.0.1`, "-r", "15", "--", ...asking);
  return await listening(port);
}

async function clamav(launcher: Launcher, signatures: Readonly<Record<string, string>>): Promise<string> {
  const [socket, database, port] = [
    join(launcher.directory, "clamd"),
    join(launcher.directory, "signatures"),
    await freePort(),
  ];
  mkdirSync(database);
  // A name, any kind of file, anywhere in it, these bytes.
  const rows = Object.entries(signatures).map(([name, words]) =>
    `${name}:0:*:${Buffer.from(words, "latin1").toString("hex")}\n`
  );
  launcher.write("signatures/own.ndb", rows.join(""));
  const common = `Foreground yes\nUser root\nTemporaryDirectory ${launcher.directory}\n`;
  const scanner = launcher.write(
    "clamd.conf",
    `${common}LocalSocket ${socket}\nDatabaseDirectory ${database}\n`,
  );
  launcher.start("/usr/sbin/clamd", "-c", scanner);
  await until(`clamd at ${socket}`, () => answers(socket));
  const filter = launcher.write(
    "clamav-milter.conf",
    `${common}ClamdSocket unix:${socket}\nMilterSocket inet:${port}@127.0.0.1\nAddHeader Add\nOnInfected Quarantine\n`,
  );
  launcher.start("/usr/sbin/clamav-milter", "-c", filter);
  return await listening(port);
}
