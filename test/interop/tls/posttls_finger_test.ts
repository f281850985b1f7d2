// posttls-finger(1): the same arguments to the real one and to ours, word for word, with signed zones, certificates of all kinds and servers
// that refuse.
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DANE_PORT } from "../../kit/scenes/dane_scenes.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY } from "../../kit/server.ts";
import { type DaneWorld, type LiveScene, startDaneWorld } from "../../kit/servers/dane_world.ts";
import { type Act, type PeerScript, type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "knot",
  "ldns",
  "openssl",
  "postfix",
  "root",
  "unbound",
);

const RESOLVER = "127.0.0.92";

let world: DaneWorld;
let folder: string;
const refusing: Record<string, SmtpPeer> = {};

const REFUSALS: Readonly<Record<string, PeerScript>> = {
  greeting: { greeting: "554-go\r\n554 away" },
  ehlo: { ehlo: "502 what" as Act },
  starttls: { ehlo: ["STARTTLS"] },
  lost: { greeting: "drop" },
  quit: { quit: "drop" },
};

beforeAll(async () => {
  world = await startDaneWorld(RESOLVER);
  folder = mkdtempSync(join(tmpdir(), "finger-"));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, "etc"));
  write("resolv.conf", `nameserver ${RESOLVER}\n`);
  write("etc/main.cf", "compatibility_level = 3.6\nmyhostname = probe.example\ninet_protocols = ipv4\n");
  const { root, signer, server } = world.scenes[0]!.chain;
  write("root.pem", root.certificate);
  write("signer.pem", signer.certificate);
  write("own.pem", server.key + server.certificate);
  Bun.spawnSync(["chmod", "-R", "a+rX", folder]);
  for (const [name, script] of Object.entries(REFUSALS)) refusing[name] = await startSmtpPeer(script);
}, 60_000);
afterAll(async () => {
  await Promise.all(Object.values(refusing).map((peer) => peer.close()));
  await world?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

/** Runs one of the two where the scenes' resolver is the only one; standard error is marked. */
function run(command: readonly string[], args: readonly string[]): Promise<string> {
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const child = spawn(
    "unshare",
    ["-m", "sh", "-c", script, join(folder, "resolv.conf"), ...command, ...args],
    {
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", MAIL_CONFIG: join(folder, "etc") },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => out += chunk);
  child.stderr.on("data", (chunk) => err += chunk);
  return new Promise((resolve) => child.on("close", (code) => resolve(`${out}${err}exit ${code}`)));
}

/** What is the libraries' affair, or told more than once by Postfix, is left out. */
function plain(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) =>
    !/TLS library problem| (?:in|from|to) memory cache/.test(line)
  );
  const unusable = lines.filter((line) => line.includes("unusable TLSA RR")).sort();
  return lines.filter((line, at) => line !== lines[at - 1])
    .map((line) => line.includes("unusable TLSA RR") ? unusable.shift()! : line)
    .map((line) => line.replace("/usr/sbin/posttls-finger: invalid", "posttls-finger: invalid"))
    .map((line) => line.replace(/ TLSv1\.3 with cipher .*/, " TLSv1.3"));
}

const scene = (name: string): LiveScene => world.scenes.find((each) => each.name === name)!;
const to = (name: string) => scene(name).nexthop;
const file = (name: string) => join(folder, name);
const at = (name: string) => `[127.0.0.1]:${refusing[name]!.port}`;
const EE = "an own key";
const NONE = "no records";

/** Arguments by what they show. */
const CASES: Readonly<Record<string, () => readonly string[]>> = {
  "DANE with the conversation": () => [to(EE)],
  "a trust anchor": () => ["-c", to("a trust anchor's key")],
  "another's key": () => ["-c", to("another's key")],
  "no records, and so secure": () => ["-c", to(NONE)],
  "no records, dane-only": () => ["-c", "-l", "dane-only", to(NONE)],
  "records of public authorities": () => ["-c", to("records of public authorities")],
  "records that make no sense": () => ["-c", to("records that make no sense")],
  "records that make no sense, dane-only": () => ["-c", "-l", "dane-only", to("records that make no sense")],
  "bogus records": () => ["-c", to("bogus records")],
  "a domain whose signatures have expired": () => ["-c", to("a domain whose signatures have expired")],
  "a domain that is not there": () => ["-c", "nosuch.signed.example"],
  "an MX record that is not signed": () => ["-c", to("a domain without signatures")],
  "one that is not signed, -M may": () => ["-c", "-M", "may", to("a domain without signatures")],
  "one that is not signed, -M encrypt": () => ["-c", "-M", "encrypt", to("a domain without signatures")],
  "an alias": () => ["-c", to("an alias with records of its own")],
  "an exchanger without signatures, -f": () => ["-c", "-f", to("an exchanger without signatures")],
  "a host that is named": () => ["-c", `[${scene(EE).host}]:${DANE_PORT}`],
  "an address": () => ["-c", `[${scene(EE).address}]:${DANE_PORT}`],
  "no STARTTLS": () => [to("no records, and no STARTTLS")],
  "nobody listens": () => ["-c", "[127.0.53.1]:1"],
  "level none": () => ["-l", "none", to(EE)],
  "level may, with names": () => ["-c", "-l", "may", to(EE), "x.example"],
  "level encrypt, with a server name": () => ["-c", "-l", "encrypt", "-s", "other.example", to(NONE)],
  "level verify": () => ["-c", "-l", "verify", "-F", file("root.pem"), to(EE)],
  "level secure, the domain's name missing": () => ["-c", "-l", "secure", "-F", file("root.pem"), to(EE)],
  "level secure, with names":
    () => ["-c", "-l", "secure", "-F", file("root.pem"), to(EE), "x.example", scene(EE).host],
  "level secure, expired": () => [
    ...["-c", "-l", "secure", "-F", file("root.pem"), to("a trust anchor, and an expired certificate")],
    scene("a trust anchor, and an expired certificate").host,
  ],
  "a trust anchor of the operator's":
    () => ["-c", "-l", "secure", "-A", file("signer.pem"), to(EE), scene(EE).host],
  "fingerprints that are asked for": () => ["-c", "-l", "fingerprint", to(EE)],
  "a fingerprint that is none": () => ["-c", "-l", "fingerprint", to(EE), "zz"],
  "a fingerprint of another": () => ["-c", "-l", "fingerprint", "-d", "sha1", to(EE), "00".repeat(20)],
  "the chain": () => ["-c", "-C", "-L", "none", to(EE)],
  "the certificate alone": () => ["-c", "-L", "peercert", to(EE)],
  "a topic that is none": () => ["-L", "bogus", to(EE)],
  "TLS 1.2, another digest": () => ["-c", "-p", "TLSv1.2", "-d", "sha1", to(EE)],
  "protocols that are none": () => ["-c", "-p", "bogus", to(EE)],
  "a grade that is none": () => ["-c", "-g", "bogus", to(EE)],
  "our own certificate": () => ["-c", "-k", file("own.pem"), to(EE)],
  "our own chain": () => ["-c", "-H", file("own.pem"), to(EE)],
  "again, with a session": () => ["-c", "-r", "1", to(EE)],
  "wrapper mode that is not there": () => ["-c", "-w", to(EE)],
  "LMTP": () => ["-S", `inet:${scene(EE).address}:${DANE_PORT}`],
  "LMTP without a socket": () => ["-S", "unix:/nonexistent"],
  "another name in EHLO": () => ["-o", "myhostname=other.example", to("no records, and no STARTTLS")],
  "a greeting that refuses": () => [at("greeting")],
  "EHLO refused": () => [at("ehlo")],
  "STARTTLS refused": () => [at("starttls")],
  "a connection that is lost": () => [at("lost")],
  "a connection that is lost at the end": () => [at("quit")],
  "no host": () => [":25"],
  "a bracket too few": () => ["[x"],
  "a port too high": () => ["x.example:99999"],
  "a service that nobody knows": () => ["x.example:foo"],
  "a name that is none": () => ["a..b"],
  "no arguments": () => [],
  "an unknown option": () => ["-Q"],
  "-o without a value": () => ["-o", "nonsense", to(EE)],
  "a level that is none": () => ["-l", "bogus", to(EE)],
  "-M with no policy": () => ["-M", "bogus", to(EE)],
  "-a with no family": () => ["-a", "bogus", to(EE)],
  "-h with no lookup": () => ["-h", "bogus", to(EE)],
  "-X with -r": () => ["-X", "-r", "1", to(EE)],
  "-w without TLS": () => ["-w", "-l", "none", to(EE)],
  "-H with -k": () => ["-k", "/tmp/x", "-H", "/tmp/y", to(EE)],
  "a trust anchor file that is not there": () => ["-A", "/nonexistent", "-l", "secure", to(EE)],
};

describe("posttls-finger says what Postfix's says", () => {
  for (const [name, args] of Object.entries(CASES)) {
    test(name, async () => {
      const theirs = plain(await run(["/usr/sbin/posttls-finger"], args()));
      const ours = plain(await run([BINARY, "posttls-finger"], args()));
      expect(ours).toEqual(theirs);
    }, 60_000);
  }

  test("--json tells the same for scripts", async () => {
    const report = JSON.parse(
      (await run([BINARY, "posttls-finger"], ["--json", "-c", to(EE)])).replace(/exit 0$/, ""),
    );
    expect(report).toMatchObject({
      destination: to(EE),
      connected: true,
      host: scene(EE).host,
      address: scene(EE).address,
      port: DANE_PORT,
      level: "dane",
      tls: {
        trust: "verified",
        protocol: "TLSv1.3",
        certificates: [{ subject: `/CN=${scene(EE).host}` }, {}],
      },
    });
    expect(report.tlsa[0]).toMatch(/^3 1 1 [0-9A-F]{64}$/);
  }, 60_000);
});
