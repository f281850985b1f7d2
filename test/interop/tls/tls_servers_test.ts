// The client with other people's servers under TLS: Postfix, Dovecot's LMTP, openssl's bare server.
import { expect } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseHosts } from "../../../src/dns/hosts.ts";
import type { SmtpAgentOptions } from "../../../src/delivery/smtp/smtp_agent.ts";
import { selfMadeAuthority, type TestAuthority } from "../../kit/memory/authority.ts";
import type { SelfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { outcomeLines, type TestAgent, testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { freePort } from "../../kit/server.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { answers, reachable } from "../../kit/servers/reachable.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "postfix",
  "dovecot lmtp",
  "openssl",
  "root",
);

const NAME = "mx.example";
let folder: string;
let root: TestAuthority;
const stops: (() => unknown)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tls-servers-"));
  chmodSync(folder, 0o755);
  root = selfMadeAuthority("Servers' Root");
  file("ca.pem", root.certificate);
  stops.push(() => rmSync(folder, { recursive: true }));
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** A certificate and its key as files. */
function pair(name: string, { certificate, key }: SelfSigned): readonly [certificate: string, key: string] {
  return [file(`${name}.pem`, certificate), file(`${name}.key`, key)];
}

function agentWith(
  settings: Partial<SmtpAgentOptions["settings"]>,
  program: "smtp" | "lmtp" = "smtp",
): TestAgent {
  const made = testAgent({
    smtp_tls_security_level: "verify",
    lmtp_tls_security_level: "verify",
    smtp_tls_CAfile: join(folder, "ca.pem"),
    lmtp_tls_CAfile: join(folder, "ca.pem"),
    smtp_tls_loglevel: "1",
    lmtp_tls_loglevel: "1",
    smtp_tls_fingerprint_digest: "sha256",
    lmtp_tls_fingerprint_digest: "sha256",
    smtp_host_lookup: "native",
    lmtp_host_lookup: "native",
    ...settings,
  }, { program, hosts: parseHosts(`127.0.0.1 ${NAME}\n`) });
  stops.push(() => made.agent.close());
  return made;
}

describe("Postfix as the server", () => {
  let postfix: PostfixInstance;
  let [starttls, wrapper] = [0, 0];
  beforeAll(async () => {
    [starttls, wrapper] = [await freePort(), await freePort()];
    const [rsa, rsaKey] = pair("rsa", root.issue({ name: NAME, algorithm: "rsa" }));
    const [ecdsa, ecdsaKey] = pair("ecdsa", root.issue({ name: NAME }));
    postfix = await startPostfix({
      main: {
        mydestination: "example.net",
        local_recipient_maps: "",
        local_transport: "discard",
        smtpd_relay_restrictions: "permit_mynetworks, reject",
        smtpd_tls_security_level: "encrypt",
        smtpd_tls_cert_file: rsa,
        smtpd_tls_key_file: rsaKey,
        smtpd_tls_eccert_file: ecdsa,
        smtpd_tls_eckey_file: ecdsaKey,
        smtpd_tls_CAfile: join(folder, "ca.pem"),
        smtpd_tls_ask_ccert: "yes",
        smtpd_tls_session_cache_database: "btree:$data_directory/smtpd_scache",
        smtpd_tls_loglevel: "2",
      },
      master: `127.0.0.1:${starttls} inet n - n - - smtpd
127.0.0.1:${wrapper} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
tlsmgr unix - - n 1000? 1 tlsmgr
`,
    });
    stops.push(() => postfix.stop());
    await reachable(starttls);
  }, 180_000);

  test("takes mail over STARTTLS, and sessions are resumed by tickets it gives", async () => {
    const { deliver, lines } = agentWith({ smtp_tls_session_cache_database: "btree:x" });
    for (let i = 0; i < 2; i++) {
      expect(outcomeLines(await deliver({ nexthop: `[${NAME}]:${starttls}` }))[0]).toStartWith("sent 2.0.0");
    }
    expect(lines[0]).toMatch(
      /^smtp: Verified TLS connection established to mx\.example\[127\.0\.0\.1\]:\d+: TLSv1\.3 with cipher TLS_\w+ \(\d+\/\d+ bits\) server-signature ECDSA \(prime256v1\) server-digest SHA256$/,
    );
    await postfix.waitForLog(/Reusing old session/);
  }, 180_000);

  test("takes mail in wrapper mode, over any version, with either kind of key", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"]) {
      for (const ciphers of ["aRSA", "aECDSA"]) {
        const { deliver, lines } = agentWith({
          smtp_tls_wrappermode: true,
          smtp_tls_mandatory_protocols: version,
          tls_medium_cipherlist: ciphers,
        });
        expect(outcomeLines(await deliver({ nexthop: `[${NAME}]:${wrapper}` }))[0]).toStartWith("sent");
        const kind = version === "TLSv1.2" ? `ECDHE-${ciphers.slice(1)}-` : "TLS_";
        expect(lines.join("\n")).toContain(`: ${version} with cipher ${kind}`);
      }
    }
  }, 180_000);

  test("is shown our certificate", async () => {
    const client = root.issue({ name: "client.example.com", purpose: "clientAuth" });
    const { deliver } = agentWith({
      smtp_tls_chain_files: file("client.chain", client.key + client.certificate),
    });
    expect(outcomeLines(await deliver({ nexthop: `[${NAME}]:${starttls}` }))[0]).toStartWith("sent");
    await postfix.waitForLog(/Trusted TLS connection established from .*client-signature ECDSA/);
    await postfix.waitForLog(/subject_CN=client\.example\.com/);
  }, 180_000);
});

test("Dovecot takes mail by LMTP over TLS", async () => {
  const home = join(folder, "dovecot");
  mkdirSync(home);
  const port = await freePort();
  const [certificate, key] = pair("lmtp", root.issue({ name: NAME }));
  const users = file("users", "bob@example.net::65534:65534::/nonexistent::\n");
  const mail = join(home, "mail");
  mkdirSync(mail, { mode: 0o777 });
  chmodSync(mail, 0o777);
  const configuration = file(
    "dovecot.conf",
    `base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
protocols = lmtp
ssl = required
ssl_cert = <${certificate}
ssl_key = <${key}
mail_location = maildir:${mail}/%u
first_valid_uid = 1
userdb {
  driver = passwd-file
  args = ${users}
}
passdb {
  driver = passwd-file
  args = ${users}
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
`,
  );
  const child = spawnTied("/usr/sbin/dovecot", ["-F", "-c", configuration], { stdio: "ignore" });
  stops.push(() => void child.kill("SIGTERM"));
  await until(`Dovecot at ${port}`, () => answers(port));
  const { deliver, lines } = agentWith({}, "lmtp");
  const [line] = outcomeLines(await deliver({ nexthop: `inet:${NAME}:${port}` }));
  expect(line).toMatch(/^sent 2\.0\.0 .*Saved/);
  expect(lines[0]).toMatch(
    /^lmtp: Verified TLS connection established to mx\.example\[127\.0\.0\.1\]:\d+: TLSv1\.3/,
  );
}, 180_000);

describe("openssl's server", () => {
  /** Speaks the TLS that the arguments say, and SMTP as far as it is asked for. */
  async function opensslServer(...args: readonly string[]): Promise<number> {
    const port = await freePort();
    const [certificate, key] = pair(`s${port}`, root.issue({ name: NAME, algorithm: "rsa" }));
    const child = spawnTied(
      "openssl",
      ["s_server", "-quiet", "-accept", String(port), "-cert", certificate, "-key", key, ...args],
    );
    stops.push(() => void child.kill("SIGKILL"));
    child.stdin!.on("error", () => {});
    child.stdout!.on("data", (chunk: Buffer) => {
      for (const text of chunk.toString("latin1").split("\r\n")) {
        const answer = ANSWERS.find(([command]) => text.startsWith(command))?.[1];
        if (answer !== undefined) child.stdin!.write(`${answer}\r\n`);
      }
    });
    child.stdin!.write("220 openssl\r\n");
    await until(`openssl at ${port}`, () => isListening(port));
    return port;
  }

  /** It speaks to the first who connects: whoever tried whether it is there would get the greeting. */
  function isListening(port: number): boolean {
    const entry = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, "0")} [0:]+ 0A `);
    return ["tcp", "tcp6"].some((table) => entry.test(readFileSync(`/proc/net/${table}`, "utf8")));
  }

  const ANSWERS: readonly [string, string][] = [
    ["EHLO", "250 openssl"],
    ["MAIL", "250 2.1.0 Ok"],
    ["RCPT", "250 2.1.5 Ok"],
    ["DATA", "354 go"],
    [".", "250 2.0.0 taken"],
  ];

  test(
    "in old versions and with ciphers of the day before yesterday is spoken to where they are allowed",
    async () => {
      const rows: [string[], string][] = [
        [
          ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
          "TLSv1.2 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)",
        ],
        [["-tls1_2", "-cipher", "AES256-SHA"], "TLSv1.2 with cipher AES256-SHA (256/256 bits)"],
        [["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "TLSv1 with cipher "],
        [
          ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
          "TLS_CHACHA20_POLY1305_SHA256 (256/256 bits)",
        ],
        [["-tls1_3", "-groups", "P-384"], "TLSv1.3 with cipher TLS_"],
      ];
      for (const [args, cipher] of rows) {
        const port = await opensslServer(...args);
        const agent = agentWith({ smtp_tls_wrappermode: true, smtp_tls_mandatory_protocols: ">=TLSv1" });
        expect(outcomeLines(await agent.deliver({ nexthop: `[${NAME}]:${port}` }))[0]).toContain(
          "(250 2.0.0 taken)",
        );
        expect(agent.lines.join("\n")).toContain(cipher);
      }
    },
    60_000,
  );

  test("in a version that is not wanted is not spoken to", async () => {
    const port = await opensslServer("-tls1_2");
    const agent = agentWith({ smtp_tls_wrappermode: true, smtp_tls_mandatory_protocols: ">=TLSv1.3" });
    expect(outcomeLines(await agent.deliver({ nexthop: `[${NAME}]:${port}` }))[0]).toContain(
      "(Cannot start TLS: handshake failure)",
    );
    expect(agent.lines.join("\n")).toMatch(/SSL_connect error to .*: -1$/m);
  }, 180_000);
});
