import { expect } from "bun:test";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { selfMadeAuthority } from "../../../test/kit/memory/authority.ts";
import { type SelfSigned, selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { loadConfiguration } from "../../config/load.ts";
import { exposition } from "../../observe/exposition.ts";
import { Metrics } from "../../observe/metrics.ts";
import { certificateUses } from "../../tls/own/certificate_uses.ts";
import { CertificateMonitor } from "./certificate_monitor.ts";

const { beforeAll, test } = withPeers(import.meta.path, "openssl");

const DAY = 86_400_000;
const MASTER =
  "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n -o smtpd_tls_security_level=encrypt\n" +
  "1025 inet n - n - - smtpd\n -o smtpd_tls_security_level=none\n" +
  "smtps inet n - n - - smtpd\n -o smtpd_tls_wrappermode=yes\n -o smtpd_tls_chain_files=/other.pem\n" +
  "relay unix - - n - - smtp\nsmtp unix - - n - - smtp\n";

function usesOf(main: string) {
  const texts = { main: `myhostname = mail.example.com\n${main}`, master: MASTER, overrides: [] };
  const loaded = loadConfiguration({ directory: "/etc/x", texts });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return certificateUses(loaded.configuration);
}

const uses = () => usesOf("smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /mail.pem\n");

function scene() {
  let time = Date.now();
  let look = () => {};
  const now = () => time;
  /** Lets time pass, and the next look come. */
  const later = (milliseconds: number) => {
    time += milliseconds;
    look();
  };
  const files = new Map<string, { text: string; changed: number }>();
  const log = memoryLog();
  const kept: Readonly<Record<string, string>>[] = [];
  const metrics = new Metrics();
  const monitor = new CertificateMonitor({
    metrics,
    log: () => log,
    kept: (lastGood) => void kept.push(lastGood),
    after: (_, call) => (look = call, () => {}),
    files: {
      now,
      stampOf: (path) => {
        const file = files.get(path);
        return file && { text: `${file.changed} ${file.text.length}`, changed: file.changed };
      },
      read: (path) => {
        const file = files.get(path);
        if (file === undefined) throw Object.assign(new Error("no"), { code: "ENOENT" });
        return file.text;
      },
      readFolder: () => "",
    },
  });
  const write = (path: string, text: string) => void files.set(path, { text, changed: now() });
  const expiries = () =>
    exposition(metrics.snapshot()).split("\n").filter((line) => line.startsWith("mta_tls_certificate"));
  return { monitor, kept, later, log, write, expiries };
}

const pem = ({ key, certificate }: { key: string; certificate: string }) => `${key}${certificate}`;
let mail: SelfSigned;
beforeAll(() => void (mail = selfSigned("mail.example.com")));

test("each set of files is one, with the services that show it; who has no TLS shows none", () => {
  expect(uses().map(({ files, services }) => [files.chainFiles[0]?.path, services.map(({ name }) => name)]))
    .toEqual([
      ["/mail.pem", ["smtp", "submission"]],
      ["/other.pem", ["smtps"]],
    ]);
  const client = usesOf("smtp_tls_cert_file = /client.pem\n")
    .map(({ files, services }) => [files.side, services.map(({ name }) => name)]);
  expect(client).toEqual([["smtpd", ["submission"]], ["smtpd", ["smtps"]], ["smtp", ["relay", "smtp"]]]);
});

test("the end of each chain is a metric by file and service, and gone with the file's use", () => {
  const { monitor, write, expiries } = scene();
  write("/mail.pem", pem(mail));
  write("/other.pem", pem(mail));
  monitor.follow(uses());
  expect(expiries().map((line) => line.replace(/\d{10}$/, "N"))).toEqual([
    'mta_tls_certificate_expiry_timestamp_seconds{file="/mail.pem",service="smtp/inet"} N',
    'mta_tls_certificate_expiry_timestamp_seconds{file="/mail.pem",service="submission/inet"} N',
    'mta_tls_certificate_expiry_timestamp_seconds{file="/other.pem",service="smtps/inet"} N',
  ]);
  const seconds = Number(expiries()[0]!.split(" ")[1]);
  expect(Math.abs(seconds - Date.now() / 1000 - 2 * 86_400)).toBeLessThan(120);
  monitor.follow([]);
  expect(expiries()).toEqual([]);
});

test("an end that comes near is warned of once a day", () => {
  const { monitor, later, log, write } = scene();
  const long = selfMadeAuthority("Root").issue({ name: "mail.example.com" });
  for (const path of ["/mail.pem", "/other.pem"]) write(path, pem(long));
  monitor.follow(uses());
  const warnings = () =>
    log.lines.filter((line) => /\/mail.pem: the certificate of mail.example.com expire/.test(line)).length;
  expect(warnings()).toBe(0);
  later(14 * DAY);
  expect(warnings()).toBe(1);
  later(DAY / 2);
  expect(warnings()).toBe(1);
  later(DAY / 2 + 5000);
  expect(warnings()).toBe(2);
  expect(monitor.notes()).toHaveLength(2);
  expect(monitor.notes()[0]).toMatch(
    /^TLS of smtp\/inet, submission\/inet: \/mail.pem: the certificate of mail.example.com expires on /,
  );
});

test("a broken file is told of once and noted, a renewed one is told of too", () => {
  const { monitor, later, log, write } = scene();
  write("/mail.pem", pem(mail));
  write("/other.pem", pem(mail));
  monitor.follow(uses());
  log.lines.length = 0;
  write("/mail.pem", mail.certificate);
  later(60_000);
  const said = log.lines.filter((line) => line.includes("mail.pem"));
  expect(said).toEqual([
    "warning: TLS of smtp/inet, submission/inet: smtpd_tls_chain_files: /mail.pem: put each key before its certificate; " +
    "new connections get the certificate of before",
  ].map((line) => expect.stringContaining(line)) as unknown as string[]);
  expect(monitor.notes()[0]).toEndWith(
    "put each key before its certificate; the certificate of before is served",
  );
  log.lines.length = 0;
  write("/mail.pem", pem(selfSigned("new.example")));
  later(60_000);
  expect(log.lines.filter((line) => line.includes("new certificate"))).toEqual(
    [expect.stringMatching(
      /\/mail.pem: new certificate for smtp\/inet, submission\/inet, good for \d+ (hours|days)$/,
    )] as unknown as string[],
  );
  expect(monitor.notes().filter((line) => line.includes("of before"))).toEqual([]);
});

test("without a usable file from the start the note says that there is no TLS", () => {
  const { monitor, log } = scene();
  monitor.follow(uses());
  expect(monitor.notes()[0]).toBe(
    "TLS of smtp/inet, submission/inet: smtpd_tls_chain_files: /mail.pem: No such file or directory; name a file that is there; " +
      "there is no TLS",
  );
  expect(log.lines).toEqual([]);
});

test("what was good in files that are bad now is there for workers that are started meanwhile, after a reload too", () => {
  const { monitor, kept, later, write } = scene();
  for (const path of ["/mail.pem", "/other.pem"]) write(path, pem(mail));
  monitor.follow(uses());
  expect(monitor.lastGood()).toEqual({});
  write("/mail.pem", mail.key);
  later(60_000);
  const lastGood = { "last good: /mail.pem": `${mail.key.trim()}\n${mail.certificate.trim()}\n` };
  expect([monitor.lastGood(), kept]).toEqual([lastGood, [lastGood]]);
  monitor.follow(uses());
  later(60_000);
  expect(monitor.lastGood()).toEqual(lastGood);
  expect(monitor.notes()[0]).toContain("the certificate of before is served");
  write("/mail.pem", pem(mail));
  later(60_000);
  expect(monitor.lastGood()).toEqual({});
});
