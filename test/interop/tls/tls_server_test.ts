// The server's side of TLS beside the real Postfix: one Postfix and one of ours, a service of master.cf for each case.
import { expect } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfMadeAuthority } from "../../kit/memory/authority.ts";
import { type SelfSigned, selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { type ClientCertificates, type TlsCase, tlsServerCases } from "../../kit/scenes/tls_server_cases.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type PolicyDaemon, startPolicyDaemon } from "../../kit/servers/policy_daemon.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { dialogue } from "../../kit/tls_dialogue.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "postfix",
  "openssl",
  "root",
  "dist/mta",
);

/** One of the two, with its ports and what it has told others. */
interface Side {
  readonly ports: readonly number[];
  log(): string;
  readonly directory: string;
  readonly next: SmtpPeer;
  readonly policy: PolicyDaemon;
  stop(): unknown;
}

const made: Record<"rsa" | "ec" | "other", SelfSigned> = {
  rsa: { certificate: "", key: "" },
  ec: { certificate: "", key: "" },
  other: { certificate: "", key: "" },
};
const NOBODY = { certificate: "", key: "" };
/** The names of the cases are needed before there are certificates. */
const names = Object.keys(
  tlsServerCases({ friend: NOBODY, stranger: NOBODY, fingerprint: "", keyFingerprint: "" }),
);
let cases: Readonly<Record<string, TlsCase>>;
let postfix: Side;
let ours: Side;

const colons = (bytes: Buffer) =>
  createHash("sha256").update(bytes).digest("hex").toUpperCase().replace(/..(?=.)/g, "$&:");

function clientCertificates(authority: ReturnType<typeof selfMadeAuthority>): ClientCertificates {
  const friend = authority.issue({ name: "friend.example.org", names: "", purpose: "clientAuth" });
  const certificate = new X509Certificate(friend.certificate);
  return {
    friend,
    stranger: selfSigned("stranger (odd).example.org"),
    fingerprint: colons(certificate.raw),
    keyFingerprint: colons(certificate.publicKey.export({ type: "spki", format: "der" })),
  };
}

function masterLines(ports: readonly number[], policy: PolicyDaemon): string {
  return names.map((name, i) => {
    const options: Record<string, string> = {
      smtpd_tls_chain_files: "$config_directory/rsa.pem",
      smtpd_tls_loglevel: "1",
      smtpd_error_sleep_time: "0",
      smtpd_peername_lookup: "no",
      smtpd_relay_restrictions: "permit_mynetworks, reject",
      syslog_name: `case${i}`,
      ...cases[name]!.options,
    };
    const lines = Object.entries(options).map(([key, value]) =>
      `  -o {${key}=${value.replace("POLICY", String(policy.port))}}\n`
    );
    return `127.0.0.1:${ports[i]} inet n - n - - smtpd\n${lines.join("")}`;
  }).join("");
}

/** The table of names, as the real postmap -F makes it. */
function sniTable(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "sni-"));
  try {
    writeFileSync(join(folder, "other.pem"), made.other.key + made.other.certificate);
    writeFileSync(join(folder, "sni"), `other.example.com ${folder}/other.pem\n`);
    const done = Bun.spawnSync(["/usr/sbin/postmap", "-F", `hash:${folder}/sni`]);
    if (!done.success) throw new Error(done.stderr.toString());
    return readFileSync(join(folder, "sni.db"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const MAIN = {
  myhostname: "mail.example.com",
  mydestination: "",
  mynetworks: "127.0.0.0/8",
  notify_classes: "",
};

beforeAll(async () => {
  Object.assign(made, {
    rsa: selfSigned("mail.example.com", "rsa"),
    ec: selfSigned("ec.example.com"),
    other: selfSigned("other.example.com", "rsa"),
  });
  const authority = selfMadeAuthority("Test (odd) CA");
  cases = tlsServerCases(clientCertificates(authority));
  const { rsa, ec, other } = made;
  const files = {
    "rsa.pem": rsa.key + rsa.certificate,
    "rsa.key": rsa.key,
    "rsa.crt": rsa.certificate,
    "ec.pem": ec.key + ec.certificate,
    "other.pem": other.key + other.certificate,
    "mixed.pem": rsa.key + ec.certificate,
    "bad.pem": "nothing\n",
    "ca.pem": authority.certificate,
  };
  postfix = await onFreePorts((ports) => startReal(ports, files));
  ours = await onFreePorts((ports) => startOurs(ports, files));
}, 120_000);

/** Starts a side; somebody's outgoing connection may have taken one of its ports meanwhile. */
async function onFreePorts(start: (ports: readonly number[]) => Promise<Side>): Promise<Side> {
  for (let attempt = 1;; attempt++) {
    const ports = await freePorts(names.length);
    try {
      return await start(ports);
    } catch (error) {
      if (attempt === 3 || !String(error).includes("Address already in use")) throw error;
    }
  }
}

async function startReal(
  ports: readonly number[],
  files: Readonly<Record<string, string>>,
): Promise<Side> {
  const [next, policy] = [await startSmtpPeer(), await startPolicyDaemon(() => "DUNNO")];
  const instance: PostfixInstance = await startPostfix({
    main: { ...MAIN, relayhost: `[127.0.0.1]:${next.port}` },
    master: masterLines(ports, policy),
    files,
  });
  writeFileSync(join(instance.configDirectory, "sni.db"), sniTable());
  return {
    ports,
    next,
    policy,
    log: () => instance.log(),
    directory: instance.configDirectory,
    stop: () => instance.stop(),
  };
}

async function startOurs(
  ports: readonly number[],
  files: Readonly<Record<string, string>>,
): Promise<Side> {
  const [next, policy] = [await startSmtpPeer(), await startPolicyDaemon(() => "DUNNO")];
  // REQUIRETLS is later than the installed Postfix.
  const main = {
    ...MAIN,
    mail_name: "Postfix",
    requiretls_enable: "no",
    relayhost: `[127.0.0.1]:${next.port}`,
  };
  const server: Server = await startServer({
    mainCf: Object.entries(main).map(([name, value]) => `${name} = ${value}`),
    masterCf: [masterLines(ports, policy)],
    files,
  });
  writeFileSync(join(server.configDirectory, "sni.db"), sniTable());
  return {
    ports,
    next,
    policy,
    log: () => server.log(),
    directory: server.configDirectory,
    stop: () => server.stop(),
  };
}

afterAll(async () => {
  for (const side of [postfix, ours]) {
    if (side === undefined) continue;
    await side.stop();
    await side.next.close();
    await side.policy.close();
  }
}, 60_000);

/** Lines of OpenSSL's own steps, which our library does not tell. */
const OF_THE_LIBRARY =
  /^(?:SSL_accept:|.*: depth=\d|.*: Issuing session ticket|warning: TLS library problem: error:\w+:(?!SSL routines:)|warning: TLS library problem: .*(?:callback failed|private key mismatch))/;

function linesOf(side: Side, at: number): readonly string[] {
  return side.log().split("\n").filter((line) => line.includes(` case${at}/smtpd[`))
    .map((line) =>
      line.replace(/^.*?\]: /, "").replaceAll(side.directory, "ETC").replaceAll(
        String(side.ports[at]),
        "PORT",
      )
    )
    .map((line) =>
      line.replace(/^[0-9A-F]{8,}:/, "ID:").replace(/(problem: error:)\w+(:SSL routines::[^:]*:).*/, "$1N$2")
    )
    .filter((line) => !OF_THE_LIBRARY.test(line));
}

interface Played {
  readonly heard: readonly string[];
  readonly log: readonly string[];
  /** Received headers of the messages that went on. */
  readonly received: readonly string[];
  /** What a policy server was told of TLS. */
  readonly told: readonly string[];
}

async function played(side: Side, at: number): Promise<Played> {
  const { steps, times = 1, options } = cases[names[at]!]!;
  const [mails, requests] = [side.next.mails.length, side.policy.requests.length];
  const heard: string[] = [];
  for (let time = 0; time < times; time++) {
    heard.push(...await dialogue(side.ports[at]!, steps, options.smtpd_tls_wrappermode === "yes"));
  }
  const disconnects = () => linesOf(side, at).filter((line) => line.startsWith("disconnect ")).length;
  await until(`${names[at]}: the end of the session in the log`, () => disconnects() >= times);
  const taken = heard.filter((line) => line.includes("queued as")).length;
  await until(`${names[at]}: the message at the next hop`, () => side.next.mails.length - mails >= taken);
  return {
    // An alert of the library before the end.
    heard: heard.map((line) =>
      line.replace(/^\x15\x03.*<closed>$/s, "<closed>").replace(/queued as \w+/, "queued as ID")
    ),
    log: linesOf(side, at),
    received: side.next.mails.slice(mails).map(({ content }) => receivedOf(content)),
    told: side.policy.requests.slice(requests).map((text) =>
      text.split("\n").filter((line) => /^(?:ccert|encryption)_/.test(line)).join("\n")
    ),
  };
}

function receivedOf(content: string): string {
  const header = /^Received: [^]*?\r?\n(?=\S)/.exec(content)?.[0] ?? "";
  return header.replace(/ id \w+/, " id ID").replace(/; \w{3}, .*/, "; DATE").replace(
    /\t\w{3}, .*/,
    "\tDATE",
  );
}

describe("a client meets at ours what it meets at Postfix", () => {
  test.each(names)("%s", async (name) => {
    const at = names.indexOf(name);
    const own = cases[name]!.ours;
    const [theirs, mine] = [await played(postfix, at), await played(ours, at)];
    const { heard, log, ...rest } = theirs;
    // A greeting comes before what is ours alone.
    const greeted = own?.heard && [heard[0]!, ...own.heard];
    expect(mine).toEqual({ heard: greeted ?? heard, log: own?.log ?? log, ...rest });
  }, 150_000);
});
