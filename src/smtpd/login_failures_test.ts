// What becomes of who guesses passwords, in the dialogue and in the log.
import { describe, expect, test } from "bun:test";
import { loginAccount } from "../anvil/login_account.ts";
import { LoginLedger } from "../anvil/login_ledger.ts";
import { settle } from "../../test/kit/memory/fake_clock.ts";
import { memoryDovecot } from "../../test/kit/memory/memory_dovecot.ts";
import { memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import { SASL_MAIN_CF } from "../../test/kit/scenes/sasl_sessions.ts";

const LIMITS = {
  login_failure_limit: 5,
  login_failure_network_limit: 100,
  login_failure_user_limit: 8,
  login_failure_time_unit: 3600,
  login_ban_time: 900,
};

function trial(main: Readonly<Record<string, string>> = {}, processLimit = "-") {
  const ledger = new LoginLedger(LIMITS, () => of.clock.now(), () => {});
  const logins = loginAccount((event) => Promise.resolve(ledger.take(event)), {
    prefixLengths: { ipv4: 32, ipv6: 84 },
    realm: "",
  });
  const of = memorySmtpd(
    {
      ...SASL_MAIN_CF,
      smtpd_sasl_path: "private/auth",
      smtpd_error_sleep_time: "0",
      mynetworks: "127.0.0.1",
      ...main,
    },
    { dovecot: memoryDovecot(), logins, processLimit },
  );
  const client = async (address: string) => {
    const connection = of.connect(address);
    const send = async (line: string) => {
      connection.send(`${line}\r\n`);
      await settle();
      return connection.read();
    };
    await settle();
    connection.read();
    await send("EHLO client.example");
    return { connection, send };
  };
  return { ...of, ledger, client };
}

const WRONG = `AUTH PLAIN ${Buffer.from("\0alice\0wrong").toString("base64")}`;
const RIGHT = "AUTH PLAIN AGFsaWNlAHNlY3JldA==";
const FAILED = "535 5.7.8 Error: authentication failed: (reason unavailable)\r\n";
const DONE = "235 2.7.0 Authentication successful\r\n";

describe("who guesses passwords", () => {
  test("waits longer for each answer, and is refused with 421 then, in the words of a failure", async () => {
    const { client, clock, log } = trial();
    const { connection, send } = await client("192.0.2.1");
    const waits: number[] = [];
    for (let guess = 0; guess < 5; guess++) {
      let reply = await send(WRONG);
      let waited = 0;
      for (; reply === "" && waited < 60; waited++) {
        await clock.advance(1000);
        reply = connection.read();
      }
      expect(reply).toBe(FAILED);
      waits.push(waited);
    }
    expect(waits).toEqual([0, 1, 2, 4, 8]);
    expect(await send(RIGHT)).toBe(
      "421 4.7.0 mail.example.com Error: too many failed logins from 192.0.2.1, try again in 15 min\r\n",
    );
    expect(connection.closed).toBe(true);
    expect(log.lines.filter((line) => line.includes("SASL PLAIN authentication failed"))).toHaveLength(6);
    expect(log.lines.at(-2)).toContain(
      "warning: unknown[192.0.2.1]: SASL PLAIN authentication failed: too many failed logins from 192.0.2.1, " +
        "sasl_username=(unavailable)",
    );
    expect(log.lines.at(-1)).toContain("disconnect from unknown[192.0.2.1] ehlo=1 auth=0/6 commands=1/7");
  });

  test("is refused in a new session too, but may deliver mail; others may log in", async () => {
    const { client, ledger } = trial();
    for (let guess = 0; guess < 5; guess++) {
      ledger.take({ is: "failed", client: { range: "192.0.2.1", network: "192.0.2.0/24" } });
    }
    const { send } = await client("192.0.2.1");
    expect(await send("MAIL FROM:<a@example.org>")).toStartWith("250 ");
    expect(await send("RCPT TO:<bob@example.com>")).toStartWith("250 ");
    expect(await (await client("192.0.2.1")).send(RIGHT)).toStartWith("421 4.7.0 ");
    expect(await (await client("192.0.2.2")).send(RIGHT)).toBe(DONE);
    expect(ledger.lift("192.0.2.1")).toBe(true);
    expect(await (await client("192.0.2.1")).send(RIGHT)).toBe(DONE);
  });

  test("from mynetworks or another exception is not held back", async () => {
    const { client } = trial({ smtpd_hard_error_limit: "100" });
    const { send } = await client("127.0.0.1");
    for (let guess = 0; guess < 30; guess++) expect(await send(WRONG)).toBe(FAILED);
    expect(await send(RIGHT)).toBe(DONE);
    const other = trial({ login_failure_exceptions: "192.0.2.0/24", smtpd_hard_error_limit: "100" });
    const { send: say } = await other.client("192.0.2.1");
    for (let guess = 0; guess < 30; guess++) expect(await say(WRONG)).toBe(FAILED);
  });

  test("as one user hears 454, right or wrong, where that user has never logged in", async () => {
    const { client, ledger } = trial();
    expect(await (await client("203.0.113.5")).send(RIGHT)).toBe(DONE);
    for (let guess = 0; guess < 8; guess++) {
      ledger.take({
        is: "failed",
        client: { range: `10.0.${guess}.1`, network: `10.0.${guess}.0/24` },
        user: "alice",
      });
    }
    const refused =
      "454 4.7.0 Temporary authentication failure: too many failed logins as this user, try again in 15 min\r\n";
    const { connection, send } = await client("192.0.2.1");
    expect(await send(RIGHT)).toBe(refused);
    expect(await send("MAIL FROM:<a@example.org>")).toStartWith("250 ");
    expect(connection.closed).toBe(false);
    expect(await (await client("203.0.113.5")).send(RIGHT)).toBe(DONE);
  });
});

test("while an answer is held back the client may go, and nobody is logged in or told anything", async () => {
  const { client, clock, smtpd, ledger } = trial();
  ledger.take({ is: "failed", client: { range: "192.0.2.1", network: "192.0.2.0/24" } });
  const { connection } = await client("192.0.2.1");
  connection.send(`${WRONG}\r\n`);
  await settle();
  connection.handler.close(undefined);
  await clock.advance(60_000);
  expect(connection.read()).toBe("");
  expect(smtpd.sessions).toBe(0);
});

test("while an answer is held back the slot is free for who waits for it", async () => {
  const { client, ledger, connect, log, smtpd } = trial({}, "1");
  ledger.take({ is: "failed", client: { range: "192.0.2.1", network: "192.0.2.0/24" } });
  const { connection } = await client("192.0.2.1");
  connection.send(`${WRONG}\r\n`);
  await settle();
  expect(connection.closed).toBe(false);
  const other = connect("192.0.2.2");
  await settle();
  expect(connection.read()).toBe("421 4.7.0 mail.example.com Error: too many errors\r\n");
  expect(connection.closed).toBe(true);
  connection.handler.close(undefined);
  await settle();
  expect(other.read()).toStartWith("220 ");
  expect(smtpd.sessions).toBe(1);
  expect(log.lines.join("\n")).toContain("too many errors after AUTH from unknown[192.0.2.1]");
});

test("a stop does not wait for an answer that is held back", async () => {
  const { client, ledger, smtpd } = trial();
  ledger.take({ is: "failed", client: { range: "192.0.2.1", network: "192.0.2.0/24" } });
  const { connection } = await client("192.0.2.1");
  connection.send(`${WRONG}\r\n`);
  await settle();
  smtpd.stop(new AbortController().signal);
  expect(connection.read()).toStartWith("421 4.3.2 ");
  await smtpd.drained();
});

test("what Dovecot cannot answer for now is no failure", async () => {
  const { client, ledger } = trial({ smtpd_sasl_path: "private/nowhere" });
  await client("192.0.2.1");
  expect([...ledger.bans()]).toEqual([]);
});
