import type { CommandRow } from "./command.ts";

/** Commands of postfix(1) that are not there: each says what to do instead. */
function replacedRows(names: readonly string[]): Record<string, CommandRow> {
  const row: CommandRow = {
    group: "service",
    summary: "a command of postfix(1) that is not there",
    hidden: true,
    load: async () => (await import("./service/replaced_commands.ts")).replaced,
  };
  return Object.fromEntries(names.map((name) => [name, row]));
}

/** All commands. Aliases are rows of their own with the same loader. */
export const COMMANDS: Readonly<Record<string, CommandRow>> = {
  postfix: {
    group: "service",
    summary: "a command by the name of Postfix's",
    hidden: true,
    load: async () => (await import("./instances/postfix_command.ts")).postfix,
  },
  postmulti: {
    group: "service",
    summary: "all mail systems of this machine",
    load: async () => (await import("./instances/postmulti_command.ts")).postmulti,
  },
  newaliases: {
    group: "tables",
    summary: "make the alias tables anew",
    load: async () => (await import("./sendmail/sendmail_command.ts")).sendmail,
  },
  postmap: {
    group: "tables",
    summary: "make, ask and change lookup tables",
    load: async () => (await import("./table/postmap.ts")).postmap,
  },
  postalias: {
    group: "tables",
    summary: "make, ask and change alias tables",
    load: async () => (await import("./table/postalias.ts")).postalias,
  },
  postsuper: {
    group: "queue",
    summary: "delete, hold, release, expire, requeue messages",
    load: async () => (await import("./queue/postsuper.ts")).postsuper,
  },
  serve: {
    group: "service",
    summary: "run in the foreground, log on standard output (also: start-fg)",
    options: { "--detached": "how `start` runs it: away from the terminal" },
    load: async () => (await import("./service/serve_command.ts")).serve,
  },
  "start-fg": {
    group: "service",
    summary: "run in the foreground, by Postfix's name",
    hidden: true,
    options: {},
    load: async () => (await import("./service/serve_command.ts")).serve,
  },
  start: {
    group: "service",
    summary: "run in the background",
    options: {},
    load: async () => (await import("./service/start_command.ts")).start,
  },
  stop: {
    group: "service",
    summary: "stop, letting what is in flight end (abort: at once)",
    options: {},
    load: async () => (await import("./service/stop_command.ts")).stop,
  },
  abort: {
    group: "service",
    summary: "stop at once",
    hidden: true,
    options: {},
    load: async () => (await import("./service/stop_command.ts")).abort,
  },
  reload: {
    group: "service",
    summary: "take over the changed configuration",
    options: {},
    load: async () => (await import("./service/reload_command.ts")).reload,
  },
  status: {
    group: "service",
    summary: "tell whether it runs (--json: with workers)",
    options: { "--json": "pid, uptime (seconds), version and workers as one JSON object" },
    load: async () => (await import("./service/status_command.ts")).status,
  },
  check: {
    group: "service",
    summary: "tell what is wrong in configuration and tables",
    options: {
      "-v": "also what has no effect, and who may relay by an entry",
      "--strict": "exit 2 when it serves, with losses",
      "--json": "findings as one JSON object",
    },
    load: async () => (await import("./service/check_command.ts")).check,
  },
  doctor: {
    group: "service",
    summary: "look at all that mail depends on here: ports, disk, DNS, relay",
    load: async () => (await import("./service/doctor_command.ts")).doctor,
  },
  flush: {
    group: "service",
    summary: "try all deferred mail now",
    options: {},
    load: async () => (await import("./service/flush_command.ts")).flush,
  },
  postqueue: {
    group: "queue",
    summary: "list the queue, try waiting mail now",
    load: async () => (await import("./queue/postqueue.ts")).postqueue,
  },
  postcat: {
    group: "queue",
    summary: "show a message of the queue",
    load: async () => (await import("./queue/postcat/postcat.ts")).postcat,
  },
  qshape: {
    group: "queue",
    summary: "count the queue by domain and age",
    load: async () => (await import("./queue/qshape.ts")).qshape,
  },
  postlog: {
    group: "mail",
    summary: "write to the mail log",
    load: async () => (await import("./service/postlog_command.ts")).postlog,
  },
  logrotate: {
    group: "service",
    summary: "begin a new maillog_file, compress the old one",
    options: {},
    load: async () => (await import("./service/logrotate_command.ts")).logrotate,
  },
  ...replacedRows(["drain", "quick-stop", "set-permissions", "upgrade-configuration", "post-install", "tls"]),
  version: {
    group: "service",
    summary: "print the version",
    options: {},
    load: async () => (await import("./service/version_command.ts")).version,
  },
  mailq: {
    group: "queue",
    summary: "list the queue",
    load: async () => (await import("./mailq_command.ts")).mailq,
  },
  sendmail: {
    group: "mail",
    summary: "take a message from standard input and send it",
    load: async () => (await import("./sendmail/sendmail_command.ts")).sendmail,
  },
  oauth: {
    group: "configuration",
    summary: "get and try tokens for logins at other servers",
    load: async () => (await import("./oauth/oauth_command.ts")).oauth,
  },
  user: {
    group: "configuration",
    summary: "add, change, list and test users who may log in",
    load: async () => (await import("./user/user_command.ts")).user,
  },
  ban: {
    group: "configuration",
    summary: "list and lift bans after failed logins",
    load: async () => (await import("./service/ban_command.ts")).ban,
  },
  "posttls-finger": {
    group: "configuration",
    summary: "show the TLS of a mail server",
    load: async () => (await import("./finger/posttls_finger.ts")).posttlsFinger,
  },
  acme: {
    group: "configuration",
    summary: "the certificate of acme_domains: how it stands, order it now",
    load: async () => (await import("./service/acme_command.ts")).acme,
  },
  dkim: {
    group: "configuration",
    summary: "make keys for DKIM, tell what to publish, check what is",
    load: async () => (await import("./dkim/dkim_command.ts")).dkim,
  },
  dmarc: {
    group: "configuration",
    summary: "show the aggregate reports about our domains that came in",
    load: async () => (await import("./dmarc/dmarc_command.ts")).dmarc,
  },
  explain: {
    group: "configuration",
    summary: "tell what a session would be answered, and why",
    load: async () => (await import("./explain_command.ts")).explain,
  },
  rehearse: {
    group: "mail",
    summary: "tell what a receiver would have against our mail",
    load: async () => (await import("./service/rehearse_command.ts")).rehearse,
  },
  postconf: {
    group: "configuration",
    summary: "show and change main.cf and master.cf",
    load: async () => (await import("./postconf/postconf.ts")).postconf,
  },
};
