// What Debian's fail2ban makes of our log, by its own filter for Postfix, and of the real Postfix's log of the same sessions.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BASE_MAIN_CF } from "../../kit/memory/memory_smtpd.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type Saslauthd, startSaslauthd } from "../../kit/servers/saslauthd.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "fail2ban",
  "postfix",
  "cyrus plug-ins",
  "saslauthd",
  "root",
);

const MAIN_CF = {
  ...BASE_MAIN_CF,
  smtpd_sasl_auth_enable: "yes",
  smtpd_sasl_type: "cyrus",
  smtpd_error_sleep_time: "0",
  smtpd_hard_error_limit: "4",
  smtpd_client_restrictions: "check_client_access inline:{127.3.0.9=REJECT}",
  smtpd_helo_restrictions: "reject_non_fqdn_helo_hostname, reject_invalid_helo_hostname",
  smtpd_sender_restrictions: "reject_non_fqdn_sender",
  smtpd_recipient_restrictions: "reject_non_fqdn_recipient",
  local_recipient_maps: "inline:{bob=x}",
};

/** Sessions that fail2ban should think something of, or not; each comes from an address of its own. */
const SESSIONS: readonly (readonly string[])[] = [
  ["EHLO client.example", `AUTH PLAIN ${Buffer.from("\0ann\0wrong").toString("base64")}`, "QUIT"],
  ["EHLO client.example", "AUTH LOGIN", "YW5u", "d3Jvbmc=", "QUIT"],
  ["EHLO client.example", "AUTH LOGIN", "*", "QUIT"],
  ["EHLO client.example", "AUTH CRAM-MD5", "QUIT"],
  ["EHLO client.example", "AUTH PLAIN not*base64", "QUIT"],
  [
    "EHLO client.example",
    "MAIL FROM:<a@client.example>",
    "RCPT TO:<x@elsewhere.example>",
    "RCPT TO:<nobody@example.com>",
    "QUIT",
  ],
  ["HELO client", "MAIL FROM:<a@client.example>", "RCPT TO:<bob@example.com>", "QUIT"],
  ["EHLO client.example", "MAIL FROM:<a@client>", "RCPT TO:<bob@example.com>", "QUIT"],
  ["EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<bob@example.com>", "QUIT"],
  ["EHLO client.example", "X", "X", "X", "X", "X"],
  ["EHLO client.example", "VRFY bob"],
  ["EHLO client.example\r\nNOOP\r\nNOOP", "QUIT"],
  [],
];
const addressOf = (at: number) => `127.3.0.${at + 1}`;

let saslauthd: Saslauthd | undefined;
let postfix: PostfixInstance | undefined;
let server: Server | undefined;
let directory = "";

/** Says the lines, each after the reply to the one before; hangs up at the end. */
function play(port: number, localAddress: string, lines: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    let [text, at] = ["", 0];
    socket.setEncoding("latin1").on("data", (chunk) => {
      text += chunk;
      if (!/^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.test(text)) return;
      text = "";
      const line = lines[at++];
      if (line === undefined) socket.end();
      else socket.write(`${line}\r\n`);
    });
    socket.on("error", () => {}).on("close", () => resolve());
  });
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mta-fail2ban-"));
  saslauthd = await startSaslauthd();
  const files = {
    "sasl/smtpd.conf":
      `pwcheck_method: saslauthd\nmech_list: plain login\nsaslauthd_path: ${saslauthd.mux}\n`,
  };
  const port = await freePort();
  postfix = await startPostfix({
    main: { ...MAIN_CF, cyrus_sasl_config_path: "$config_directory/sasl" },
    master: `127.0.0.1:${port} inet n - n - - smtpd\n`,
    files,
  });
  server = await startServer({
    files,
    mainCf: Object.entries({ ...MAIN_CF, cyrus_sasl_config_path: "$config_directory/sasl" })
      .map(([name, value]) => `${name} = ${value}`),
  });
  for (const [at, lines] of SESSIONS.entries()) {
    await Promise.all([play(port, addressOf(at), lines), play(server.port, addressOf(at), lines)]);
  }
  for (const log of [() => postfix!.log(), () => server!.log()]) {
    const ended = () =>
      SESSIONS.every((_, at) => log().includes(`disconnect from unknown[${addressOf(at)}]`));
    await until(() => `the end of all sessions in:\n${log()}`, ended);
  }
}, 120_000);
afterAll(async () => {
  await postfix?.stop();
  await server?.stop();
  await saslauthd?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The addresses that a mode of the filter finds, once for each line that it matches. */
function found(log: string, mode: string): string[] {
  const file = join(directory, "maillog");
  writeFileSync(file, log);
  const { stdout, stderr, status } = spawnSync("fail2ban-regex", [
    "-o",
    "ip",
    file,
    `postfix[mode=${mode}]`,
  ], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trim().split("\n").filter((line) => line !== "").sort();
}

const inModes = ["auth", "normal", "more", "ddos", "extra", "aggressive", "errors", "rbl"];

test.each(inModes)("fail2ban's mode %s sees in our log what it sees in Postfix's", (mode) => {
  const theirs = found(postfix!.log(), mode);
  expect(found(server!.log(), mode)).toEqual(theirs);
  if (mode !== "rbl") expect(theirs.length).toBeGreaterThan(0);
});
