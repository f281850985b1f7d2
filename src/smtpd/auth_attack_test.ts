// What a client may do to AUTH, and must not get by it.
import { describe, expect, test } from "bun:test";
import { settle } from "../../test/kit/memory/fake_clock.ts";
import { type MemoryDovecot, memoryDovecot } from "../../test/kit/memory/memory_dovecot.ts";
import { type MemorySmtpd, memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import { SASL_MAIN_CF } from "../../test/kit/scenes/sasl_sessions.ts";
import { maybeResponse, withoutResponses, withoutSecrets } from "./policy/secrets.ts";
import { Session } from "./session/smtpd_session.ts";

interface Trial extends MemorySmtpd {
  readonly dovecot: MemoryDovecot;
}

function trial(main: Readonly<Record<string, string>> = {}): Trial {
  const dovecot = memoryDovecot();
  const settings = { ...SASL_MAIN_CF, smtpd_sasl_path: "private/auth", smtpd_error_sleep_time: "0", ...main };
  return { ...memorySmtpd(settings, { dovecot }), dovecot };
}

/** A client that has said some lines, one by one; `replies` are those to the last one. */
async function client(of: Trial, ...lines: readonly string[]) {
  const connection = of.connect();
  const send = async (text: string | Buffer) => {
    connection.send(text);
    await settle();
    return connection.read();
  };
  await settle();
  connection.read();
  let replies = "";
  for (const line of lines) replies = await send(`${line}\r\n`);
  return { connection, send, replies };
}

const PLAIN = "AUTH PLAIN AGFsaWNlAHNlY3JldA==";

describe("a response", () => {
  test("that never ends takes no memory, and when it ends the session goes on", async () => {
    const { connection, send } = await client(trial(), "EHLO x", "AUTH PLAIN");
    const session = connection.handler;
    if (!(session instanceof Session)) throw new Error("no session");
    const chunk = Buffer.alloc(65_536, "A");
    for (let i = 0; i < 500; i++) {
      connection.send(chunk);
      expect(session.input.size).toBeLessThanOrEqual(12_288);
    }
    expect(connection.closed).toBe(false);
    expect(await send("\r\nNOOP\r\n")).toBe("500 5.5.6 SASL response limit exceeded\r\n250 2.0.0 Ok\r\n");
  });

  test("is limited to the byte, and the exchange is over behind it", async () => {
    const of = trial();
    const { send } = await client(of, "EHLO x");
    const rows = [[12_284, "535 5.7.8 "], [12_288, "500 5.5.6 "], [12_289, "500 5.5.6 "]] as const;
    for (const [length, reply] of rows) {
      expect(await send("AUTH PLAIN\r\n")).toBe("334 \r\n");
      expect(await send(`${"A".repeat(length)}\r\n`)).toStartWith(reply);
      expect(await send("NOOP\r\n")).toBe("250 2.0.0 Ok\r\n");
    }
    expect(of.dovecot.heard.filter((line) => line.startsWith("CANCEL"))).toHaveLength(2);
    expect(of.log.lines.join("\n")).toContain("unknown[127.0.0.1]: request longer than 12288: ...");
  });

  test("with a NUL in it ends there, and cannot make another request of Dovecot's", async () => {
    const of = trial();
    const { send } = await client(of, "EHLO x", "AUTH PLAIN");
    expect(await send("AGFsaWNl\0AHNlY3JldA==\r\n")).toStartWith("535 5.7.8 ");
    for (const line of ["a\tresp=b", "\nOK\t1\tuser=alice", "AGFsaWNl\tAUTH"]) {
      await send("AUTH PLAIN\r\n");
      await send(`${line}\r\n`);
    }
    const requests = of.dovecot.heard.filter((line) => !/^(?:VERSION|CPID|CANCEL)/.test(line));
    for (const line of requests) {
      expect(line).toMatch(
        /^(?:AUTH\t\d+\tPLAIN\tservice=smtp(?:\t[a-z]+(?:=[^\t]*)?)*|CONT\t\d+\t[A-Za-z0-9+/=]*)$/,
      );
    }
  });
});

test("a name of a mechanism cannot make a request of Dovecot's either", async () => {
  const of = trial();
  const { send } = await client(of, "EHLO x");
  for (const name of ["PLAIN\tresp=x", "PLAIN\0", "PLAIN,LOGIN", "\x01t", "ANONYMOUS", "SECRET"]) {
    expect(await send(`AUTH ${name} AA==\r\n`)).not.toStartWith("235");
  }
  expect(
    of.dovecot.heard.filter((line) =>
      line.startsWith("AUTH") &&
      !/^AUTH\t\d+\tPLAIN\tservice=smtp\tnologin\tlip=127\.0\.0\.1\trip=127\.0\.0\.1(?:\tresp=[A-Za-z0-9+/=]*)?$/
        .test(line)
    ),
  )
    .toEqual([]);
});

test("guesses come to an end, however many are sent at once", async () => {
  const of = trial({ smtpd_hard_error_limit: "20" });
  const { connection, send } = await client(of, "EHLO x");
  const guess = `AUTH PLAIN ${Buffer.from("\0alice\0wrong").toString("base64")}\r\n`;
  const said = await send(guess.repeat(1000));
  for (let turn = 0; turn < 50 && !connection.closed; turn++) await settle();
  const replies = said + connection.read();
  expect(replies.match(/^535 /gm)).toHaveLength(20);
  expect(replies).toContain("421 4.7.0 mail.example.com Error: too many errors\r\n");
  expect(connection.closed).toBe(true);
  expect(of.dovecot.heard.filter((line) => line.startsWith("AUTH"))).toHaveLength(20);
});

describe("who goes in the middle of it", () => {
  test("frees what Dovecot keeps for him", async () => {
    const of = trial();
    const { connection } = await client(of, "EHLO x", "AUTH LOGIN");
    connection.end();
    connection.handler.close(undefined);
    expect(of.dovecot.heard.at(-1)).toBe("CANCEL\t1");
    expect(of.smtpd.sessions).toBe(0);
  });

  test("while Dovecot thinks is not logged in afterwards, and nothing is said to nobody", async () => {
    const of = trial();
    const { connection } = await client(of, "EHLO x");
    of.dovecot.silent = true;
    connection.send(`${PLAIN}\r\n`);
    await settle();
    connection.handler.close(undefined);
    of.dovecot.silent = false;
    of.dovecot.say("OK\t1\tuser=alice");
    await settle();
    expect(connection.read()).toBe("");
    expect(of.smtpd.sessions).toBe(0);
    expect(of.log.lines.at(-1)).toContain("disconnect from unknown[127.0.0.1] ehlo=1 commands=1");
  });

  test("by being silent hears 421, as at any command", async () => {
    const of = trial();
    const { connection } = await client(of, "EHLO x", "AUTH LOGIN");
    connection.handler.timeout();
    await settle();
    expect(connection.read()).toBe("421 4.4.2 mail.example.com Error: timeout exceeded\r\n");
    expect(of.dovecot.heard.at(-1)).toBe("CANCEL\t1");
    expect(of.log.lines.join("\n")).toContain("timeout after AUTH from unknown[127.0.0.1]");
  });
});

test("who waits with a challenge unanswered does not keep his slot for it", async () => {
  const { connection } = await client(trial(), "EHLO x", "AUTH LOGIN");
  const session = connection.handler;
  if (!(session instanceof Session)) throw new Error("no session");
  expect(session.idleSince).toBeNumber();
});

test("what is said while Dovecot thinks waits, and is no part of the exchange", async () => {
  const of = trial();
  const { connection, send } = await client(of, "EHLO x");
  of.dovecot.silent = true;
  connection.send(`${PLAIN}\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n`);
  await settle();
  expect(connection.read()).toBe("");
  of.dovecot.silent = false;
  of.dovecot.say("FAIL\t1\tuser=alice");
  expect(await send("")).toBe(
    "535 5.7.8 Error: authentication failed: (reason unavailable)\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n",
  );
});

describe("secrets are in no line of the log", () => {
  const SECRETS = ["AGFsaWNlAHNlY3JldA==", "YWxpY2U=", "c2VjcmV0", "secret"];
  const rows: readonly (readonly [title: string, main: Record<string, string>, lines: readonly string[]])[] =
    [
      ["sent ahead of HELO", {}, ["HELO x\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nQUIT"]],
      ["sent ahead of the challenge", {}, ["HELO x", "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\nNOOP"]],
      ["in a line that is too long", {}, [`AUTH PLAIN AGFsaWNlAHNlY3JldA==${" ".repeat(3000)}`]],
      ["in a response that is too long", {}, ["AUTH PLAIN", `AGFsaWNlAHNlY3JldA==${"A".repeat(20_000)}`]],
      ["where nobody can log in", { smtpd_sasl_auth_enable: "no" }, [
        "EHLO x",
        "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0",
      ]],
      ["through a filter of commands", {
        smtpd_command_filter: "pcre:{{/^(AUTH) (.*)$/i $1 $2}}",
      }, ["EHLO x", PLAIN]],
      ["in a failure", {}, [
        "EHLO x",
        "AUTH PLAIN AGFsaWNlAHNlY3JldA=",
        "AUTH LOGIN",
        "c2VjcmV0",
        "c2VjcmV0=",
      ]],
    ];
  test.each(rows)("%s", async (_title, main, lines) => {
    const of = trial(main);
    await client(of, ...lines);
    const log = of.log.lines.filter((line) => !line.includes("sasl_username=secret")).join("\n");
    for (const secret of SECRETS) expect(log).not.toContain(secret);
    expect(log).toContain("connect from");
  });

  test("but what is none stays", () => {
    expect(withoutSecrets("EHLO x\r\nAUTH PLAIN AGFs\r\nMAIL")).toBe("EHLO x\r\nAUTH PLAIN ...");
    expect(withoutSecrets("MAIL FROM:<a@example.org> AUTH=<>\r\n")).toBe(
      "MAIL FROM:<a@example.org> AUTH=<>\r\n",
    );
    expect(withoutSecrets("AUTH PLAIN")).toBe("AUTH PLAIN");
    expect(withoutResponses("NOOP\r\nQUIT\r\n")).toBe("NOOP\r\nQUIT\r\n");
    expect(maybeResponse("GET / HTTP/1.1")).toBe(false);
  });
});
