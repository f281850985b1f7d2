// What tests run against and beside. A file says what it needs; where that is not installed its tests are skipped, by name.
import * as bun from "bun:test";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { BINARY } from "./server.ts";

/** A program that tests need, the files by which it is known to be there, and Debian's packages of it. */
interface Peer {
  readonly files: readonly string[];
  readonly packages: string;
}

const postfixTable = (type: string): Peer => ({
  files: [`/usr/lib/postfix/postfix-${type}.so`],
  packages: `postfix-${type}`,
});

const LIBRARIES = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;

const PEERS = {
  postfix: { files: ["/usr/sbin/postfix", "/usr/sbin/postconf", "/usr/sbin/postmap"], packages: "postfix" },
  "postfix-cdb": postfixTable("cdb"),
  "postfix-ldap": postfixTable("ldap"),
  "postfix-lmdb": postfixTable("lmdb"),
  "postfix-mysql": postfixTable("mysql"),
  "postfix-pcre": postfixTable("pcre"),
  "postfix-pgsql": postfixTable("pgsql"),
  "postfix-sqlite": postfixTable("sqlite"),
  authres: {
    files: ["/usr/bin/python3", "/usr/lib/python3/dist-packages/authres"],
    packages: "python3-authres",
  },
  buildah: { files: ["/usr/bin/buildah"], packages: "buildah" },
  dovecot: { files: ["/usr/sbin/dovecot"], packages: "dovecot-core" },
  "dovecot lmtp": {
    files: ["/usr/sbin/dovecot", "/usr/lib/dovecot/lmtp"],
    packages: "dovecot-core dovecot-lmtpd",
  },
  "cyrus plug-ins": {
    files: [`/usr/lib/${LIBRARIES}/sasl2/libplain.so`],
    packages: "libsasl2-modules",
  },
  "bsd-mailx": { files: ["/usr/bin/bsd-mailx"], packages: "bsd-mailx" },
  "clamav-milter": {
    files: ["/usr/sbin/clamav-milter", "/usr/sbin/clamd"],
    packages: "clamav-milter clamav-daemon",
  },
  cron: { files: ["/usr/sbin/cron"], packages: "cron" },
  curl: { files: ["/usr/bin/curl"], packages: "curl" },
  "dmarc-cat": { files: ["/usr/bin/dmarc-cat"], packages: "dmarc-cat" },
  "Mail::DMARC": {
    files: ["/usr/bin/perl", "/usr/share/perl5/Mail/DMARC.pm"],
    packages: "libmail-dmarc-perl",
  },
  debootstrap: { files: ["/usr/sbin/debootstrap"], packages: "debootstrap" },
  eatmydata: { files: [`/usr/lib/${LIBRARIES}/libeatmydata.so`], packages: "eatmydata" },
  knot: { files: ["/usr/sbin/knotd"], packages: "knot" },
  ldns: { files: ["/usr/bin/ldns-keygen", "/usr/bin/ldns-signzone"], packages: "ldnsutils" },
  "git-email": {
    files: ["/usr/lib/git-core/git-send-email", "/usr/share/perl5/Mail/Address.pm"],
    packages: "git-email libmailtools-perl",
  },
  "libsasl2-modules": {
    files: [`/usr/lib/${LIBRARIES}/sasl2/libplain.so`],
    packages: "libsasl2-modules",
  },
  fail2ban: { files: ["/usr/bin/fail2ban-regex"], packages: "fail2ban" },
  libfaketime: {
    files: [`/usr/lib/${LIBRARIES}/faketime/libfaketimeMT.so.1`],
    packages: "libfaketime",
  },
  mariadb: { files: ["/usr/sbin/mariadbd"], packages: "mariadb-server" },
  memcached: { files: ["/usr/bin/memcached"], packages: "memcached" },
  msmtp: { files: ["/usr/bin/msmtp"], packages: "msmtp" },
  // Its logins are by libsasl2's plug-ins.
  mutt: {
    files: ["/usr/bin/mutt", `/usr/lib/${LIBRARIES}/sasl2/libplain.so`],
    packages: "mutt libsasl2-modules",
  },
  nc: { files: ["/usr/bin/nc"], packages: "netcat-openbsd" },
  opendkim: { files: ["/usr/sbin/opendkim"], packages: "opendkim" },
  opendmarc: { files: ["/usr/sbin/opendmarc"], packages: "opendmarc" },
  openssl: { files: ["/usr/bin/openssl"], packages: "openssl" },
  ip: { files: ["/usr/sbin/ip"], packages: "iproute2" },
  pebble: { files: ["/usr/bin/pebble", "/usr/bin/pebble-challtestsrv"], packages: "pebble" },
  perl: { files: ["/usr/bin/perl"], packages: "perl" },
  php: { files: ["/usr/bin/php"], packages: "php-cli" },
  postgres: { files: ["/usr/lib/postgresql"], packages: "postgresql" },
  postgrey: { files: ["/usr/sbin/postgrey"], packages: "postgrey" },
  postsrsd: { files: ["/usr/sbin/postsrsd"], packages: "postsrsd" },
  procps: { files: ["/usr/bin/ps", "/usr/bin/pgrep"], packages: "procps" },
  pyspf: { files: ["/usr/bin/python3", "/usr/lib/python3/dist-packages/spf.py"], packages: "python3-spf" },
  python3: { files: ["/usr/bin/python3"], packages: "python3" },
  redis: { files: ["/usr/bin/redis-server"], packages: "redis-server" },
  rspamd: { files: ["/usr/bin/rspamd"], packages: "rspamd" },
  saslauthd: { files: ["/usr/sbin/saslauthd"], packages: "sasl2-bin" },
  script: { files: ["/usr/bin/script"], packages: "bsdutils" },
  slapd: { files: ["/usr/sbin/slapd", "/usr/bin/ldapadd"], packages: "slapd ldap-utils" },
  "spamass-milter": {
    files: ["/usr/sbin/spamass-milter", "/usr/sbin/spamd", "/usr/bin/spamc"],
    packages: "spamass-milter spamassassin spamc spamd",
  },
  sqlite3: { files: ["/usr/bin/sqlite3"], packages: "sqlite3" },
  swaks: { files: ["/usr/bin/swaks"], packages: "swaks" },
  xmllint: { files: ["/usr/bin/xmllint"], packages: "libxml2-utils" },
  unbound: { files: ["/usr/sbin/unbound"], packages: "unbound" },
  "table tools": {
    files: ["/usr/bin/db5.3_verify", "/usr/bin/cdb", "/usr/bin/mdb_dump"],
    packages: "db5.3-util tinycdb lmdb-utils",
  },
} as const satisfies Readonly<Record<string, Peer>>;

/** A peer's name; `root` is no program, and `dist/mta` our own, but some tests cannot do without. */
export type PeerName = keyof typeof PEERS | "dist/mta" | "root";

/** Whether a peer is there. */
export function hasPeer(name: PeerName): boolean {
  if (name === "root") return process.getuid?.() === 0;
  if (name === "dist/mta") return existsSync(BINARY);
  return PEERS[name].files.every((file) => existsSync(file));
}

function wanting(name: PeerName): string {
  if (name === "root") return "the rights of root";
  return name === "dist/mta" ? "dist/mta (deno task build)" : PEERS[name].packages;
}

type Functions = Pick<
  typeof bun,
  "afterAll" | "afterEach" | "beforeAll" | "beforeEach" | "describe" | "test"
>;

const nothing = () => {};

/** bun:test's functions where all peers are there; where one is missing they skip, and a line says which file and what it needs. */
export function withPeers(file: string, ...names: readonly PeerName[]): Functions {
  const missing = names.filter((name) => !hasPeer(name));
  if (missing.length === 0) return bun;
  console.log(`# skipped: ${basename(file)} needs ${missing.map(wanting).join(", ")}`);
  const hooks = { afterAll: nothing, afterEach: nothing, beforeAll: nothing, beforeEach: nothing };
  return { ...hooks, describe: bun.describe.skip, test: bun.test.skip };
}
