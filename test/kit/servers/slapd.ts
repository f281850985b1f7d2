// An OpenLDAP server for tests (packages slapd and ldap-utils): a temporary folder, a loopback port of its own and a unix socket,
// data loaded by slapadd; with TLS it has a certificate of a CA made for the occasion.
import { type ChildProcess, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers } from "./reachable.ts";
import { freePort } from "../server.ts";
import { spawnTied } from "./tied_child.ts";
import { until } from "../waiting.ts";

/** A running directory server. */
export interface Slapd {
  readonly directory: string;
  readonly port: number;
  /** `ldap://127.0.0.1:PORT`. */
  readonly url: string;
  /** `ldapi://%2F...`. */
  readonly ldapi: string;
  /** `ldaps://localhost:PORT`, when it was started with TLS. */
  readonly ldaps: string;
  readonly ldapsPort: number;
  /** Certificate of the CA that signed the server's; "" without TLS. */
  readonly ca: string;
  /** Folder with that certificate under its hash. */
  readonly caDirectory: string;
  /** A client's certificate and key of the same CA. */
  readonly clientCertificate: string;
  readonly clientKey: string;
  /** Ends the server at once (SIGKILL); the data stay. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Stops (SIGSTOP) or resumes it: connections are taken by the kernel, nobody answers. */
  freeze(on: boolean): Promise<void>;
  /** Ends it and removes the folder. */
  stop(): Promise<void>;
}

export interface SlapdOptions {
  readonly ldif: string;
  /** More lines for slapd.conf's general part. */
  readonly config?: readonly string[];
  /** More lines for its database. */
  readonly database?: readonly string[];
  readonly tls?: boolean;
  /** Names in its certificate; default `DNS:localhost,IP:127.0.0.1`. */
  readonly names?: string;
}

export const SUFFIX = "dc=example,dc=org";
export const ADMIN = `cn=admin,${SUFFIX}`;
export const ADMIN_PASSWORD = "secret";

const SCHEMA = `attributetype ( 1.3.6.1.4.1.4203.666.1.901 NAME 'mailacceptinggeneralid'
  EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.902 NAME 'maildrop'
  EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.903 NAME 'memberdn' SUP distinguishedName )
attributetype ( 1.3.6.1.4.1.4203.666.1.904 NAME 'octets' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.4203.666.3.901 NAME 'mailThing' SUP top AUXILIARY
  MAY ( mailacceptinggeneralid $ maildrop $ memberdn $ octets $ memberURL $ mail $ mailHost ) )
`;

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
  }
  return stdout;
}

/** A CA, a certificate for the server, and one for a client. */
function makeCertificates(folder: string, names: string): void {
  mkdirSync(join(folder, "ca.d"));
  const request = (name: string, subject: string) =>
    run("openssl", [
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject],
      ...["-keyout", `${name}.key`, "-out", `${name}.csr`],
    ], folder);
  const sign = (name: string, extensions: string) => {
    writeFileSync(join(folder, `${name}.ext`), extensions);
    run("openssl", [
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-days", "30", "-extfile", `${name}.ext`, "-out", `${name}.pem`],
    ], folder);
  };
  run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"],
    ...["-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem"],
  ], folder);
  request("server", "/CN=server");
  sign("server", `subjectAltName=${names}\n`);
  request("client", "/CN=postfix client");
  sign("client", "extendedKeyUsage=clientAuth\n");
  const hash = run("openssl", ["x509", "-hash", "-noout", "-in", "ca.pem"], folder).trim();
  writeFileSync(join(folder, "ca.d", `${hash}.0`), readFileSync(join(folder, "ca.pem")));
}

function configuration(folder: string, { config = [], database = [], tls }: SlapdOptions): string {
  const schemas = ["core", "cosine", "inetorgperson", "dyngroup", "misc"];
  const certificates = [
    `TLSCACertificateFile ${folder}/ca.pem`,
    `TLSCertificateFile ${folder}/server.pem`,
    `TLSCertificateKeyFile ${folder}/server.key`,
    "TLSVerifyClient try",
  ];
  return [
    ...schemas.map((name) => `include /etc/ldap/schema/${name}.schema`),
    `include ${folder}/test.schema`,
    "modulepath /usr/lib/ldap",
    "moduleload back_mdb",
    `pidfile ${folder}/pid`,
    "sizelimit unlimited",
    ...(tls === true ? certificates : []),
    ...config,
    "database mdb",
    `suffix "${SUFFIX}"`,
    `rootdn "${ADMIN}"`,
    `rootpw ${ADMIN_PASSWORD}`,
    `directory ${folder}/db`,
    "dbnosync",
    ...database,
    "",
  ].join("\n");
}

/** Starts a server with the given entries below `dc=example,dc=org`. */
export async function startSlapd(options: SlapdOptions): Promise<Slapd> {
  if (!existsSync("/usr/sbin/slapd")) {
    throw new Error("this test needs the Debian packages slapd and ldap-utils");
  }
  const folder = mkdtempSync(join(tmpdir(), "slapd-"));
  mkdirSync(join(folder, "db"));
  writeFileSync(join(folder, "test.schema"), SCHEMA);
  if (options.tls === true) makeCertificates(folder, options.names ?? "DNS:localhost,IP:127.0.0.1");
  writeFileSync(join(folder, "slapd.conf"), configuration(folder, options));
  const root = `dn: ${SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n`;
  writeFileSync(join(folder, "data.ldif"), root + options.ldif);
  run("/usr/sbin/slapadd", ["-q", "-f", "slapd.conf", "-l", "data.ldif"], folder);
  const [port, ldapsPort] = [await freePort(), await freePort()];
  const path = join(folder, "ldapi");
  const ldapi = `ldapi://${encodeURIComponent(path)}`;
  const ldaps = `ldaps://localhost:${ldapsPort}`;
  const url = `ldap://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const start = async () => {
    const urls = [url, ldapi, ...(options.tls === true ? [ldaps] : [])].join(" ");
    child = spawnTied("/usr/sbin/slapd", ["-f", "slapd.conf", "-h", urls, "-d", "0"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "ignore"],
    });
    await until("a slapd that listens", () => {
      if (child!.exitCode !== null) throw new Error("slapd did not start");
      return answers(port);
    });
  };
  const kill = async () => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child!.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  await start();
  return {
    directory: folder,
    port,
    url,
    ldapi,
    ldaps,
    ldapsPort,
    ca: options.tls === true ? join(folder, "ca.pem") : "",
    caDirectory: join(folder, "ca.d"),
    clientCertificate: join(folder, "client.pem"),
    clientKey: join(folder, "client.key"),
    kill,
    start,
    freeze: async (on) => {
      child?.kill(on ? "SIGSTOP" : "SIGCONT");
      const isFrozen = () => /\) T/.test(readFileSync(`/proc/${child?.pid}/stat`, "utf8"));
      await until("what was asked for", () => isFrozen() === on);
    },
    stop: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
