// Other people's clients log in, here and at the real Postfix, with a real Dovecot behind both: at submission and over wrapped TLS.
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { type Dovecot, startDovecot } from "../../kit/servers/dovecot.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { tied } from "../../kit/servers/tied_child.ts";
import { answers } from "../../kit/servers/reachable.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { secure, talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const PEERS = ["dist/mta", "dovecot", "postfix", "root", "openssl"] as const;
const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, ...PEERS);

const MAIN = {
  mydestination: "example.com",
  local_recipient_maps: "",
  mynetworks: "192.0.2.1",
  local_transport: "discard",
  default_transport: "discard",
  smtpd_sasl_type: "dovecot",
  smtpd_peername_lookup: "no",
  smtpd_error_sleep_time: "0",
  smtpd_tls_cert_file: "$config_directory/cert.pem",
  smtpd_tls_key_file: "$config_directory/key.pem",
  smtpd_tls_security_level: "may",
  smtpd_sasl_path: "private/auth",
  smtpd_client_connection_count_limit: "0",
};
const LOGINS = "-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject";
const SERVICES = (clear: number, submission: number, wrapped: number) => [
  `127.0.0.1:${clear} inet n - n - - smtpd ${LOGINS} -o syslog_name=clear`,
  `127.0.0.1:${submission} inet n - n - - smtpd ${LOGINS} -o smtpd_tls_auth_only=yes -o syslog_name=submission`,
  `127.0.0.1:${wrapped} inet n - n - - smtpd ${LOGINS} -o smtpd_tls_wrappermode=yes -o syslog_name=wrapped`,
];

/** A server under test, its ports, and its log. */
interface Target {
  readonly clear: number;
  readonly submission: number;
  readonly wrapped: number;
  log(): string;
}

let [ownDovecot, theirDovecot]: [Dovecot | undefined, Dovecot | undefined] = [undefined, undefined];
let server: Server | undefined;
let postfix: PostfixInstance | undefined;
const targets: { ours?: Target; theirs?: Target } = {};

beforeAll(async () => {
  const { certificate, key } = selfSigned("mail.example.com");
  const files = { "cert.pem": certificate, "key.pem": key };
  const ports = await freePorts(6) as [number, number, number, number, number, number];
  const lines = Object.entries(MAIN).map(([name, value]) => `${name} = ${value}`);
  server = await startServer({ files, mainCf: lines, masterCf: SERVICES(ports[0], ports[1], ports[2]) });
  theirDovecot = await startDovecot();
  postfix = await startPostfix({
    files,
    main: { ...MAIN, smtpd_sasl_path: `inet:127.0.0.1:${theirDovecot.port}` },
    master: [...SERVICES(ports[3], ports[4], ports[5]), "tlsmgr unix - - n 1000? 1 tlsmgr"].join("\n"),
  });
  await until("Dovecot's port", () => answers(theirDovecot!.port));
  targets.ours = { clear: ports[0], submission: ports[1], wrapped: ports[2], log: () => server!.log() };
  targets.theirs = { clear: ports[3], submission: ports[4], wrapped: ports[5], log: () => postfix!.log() };
}, 90_000);

afterAll(async () => {
  await postfix?.stop();
  await server?.stop();
  await ownDovecot?.stop();
  await theirDovecot?.stop();
});

const WHO = ["ours", "theirs"] as const;
const PLAIN = "AUTH PLAIN AGFsaWNlAHNlY3JldA==";

test("before Dovecot is there clients are turned away, and then they log in without a reload", async () => {
  const { clear } = targets.ours!;
  expect((await talk(clear)).greeting).toMatch(/^421 4\.3\.5 \S+ Server configuration error$/);
  await server!.logged(/warning: SASL: Connect to Dovecot auth socket 'private\/auth' failed: No such file/);
  await server!.logged(/fatal: no SASL authentication mechanisms/);
  // As stock configurations have it: for the mail system's user alone.
  ownDovecot = await startDovecot({
    socket: join(server!.queueDirectory, "private/auth"),
    mode: "mode = 0660\n    user = postfix\n    group = postfix",
  });
  const client = await talk(clear);
  await client.say("EHLO x");
  expect(await client.say(PLAIN)).toBe("235 2.7.0 Authentication successful");
  client.end();
}, 60_000);

/** Runs a client; answers its exit status and all that it says. */
function run(command: readonly string[], input = ""): Promise<{ code: number | null; out: string }> {
  const [program, ...args] = tied(command);
  const child = spawn(program!, args, { stdio: ["pipe", "pipe", "pipe"] });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => out += chunk);
  child.stdin.end(input);
  return new Promise((done) => child.on("close", (code) => done({ code, out })));
}

describe.each(WHO)("swaks (%s)", (who) => {
  const { test } = withPeers(import.meta.path, ...PEERS, "swaks");
  const send = (more: readonly string[]) => {
    const { submission } = targets[who]!;
    const mail = ["--from", "alice@example.com", "--to", "b@elsewhere.example", "--helo", "x.example"];
    return run(["swaks", "--server", `127.0.0.1:${submission}`, ...mail, ...more]);
  };

  test.each(["PLAIN", "LOGIN", "CRAM-MD5"])(
    "logs in with %s over STARTTLS and may relay",
    async (mechanism) => {
      const user = ["--auth-user", "alice", "--auth-password", "secret"];
      const { code, out } = await send(["-tls", "--auth", mechanism, ...user]);
      expect(out).toContain("235 2.7.0 Authentication successful");
      expect(out).toContain("250 2.0.0 Ok: queued as");
      expect(code).toBe(0);
      await until("the line of the client", () =>
        new RegExp(
          `submission/smtpd\\S*: \\w+: client=unknown\\[127\\.0\\.0\\.1\\], sasl_method=${mechanism}, sasl_username=alice`,
        )
          .test(targets[who]!.log()));
    },
    60_000,
  );

  test("hears that a wrong password is wrong", async () => {
    const { code, out } = await send([
      "-tls",
      "--auth",
      "PLAIN",
      "--auth-user",
      "alice",
      "--auth-password",
      "no",
    ]);
    expect(out).toContain("535 5.7.8 Error: authentication failed: (reason unavailable)");
    expect(code).toBe(28);
  }, 60_000);

  test("is not offered a login in the clear", async () => {
    const { code, out } = await send(["--auth", "--auth-user", "alice", "--auth-password", "secret"]);
    expect(out).not.toContain("250-AUTH");
    expect(code).toBe(28);
  }, 60_000);
});

describe.each(WHO)("curl (%s)", (who) => {
  const { test } = withPeers(import.meta.path, ...PEERS, "curl");
  const send = (url: string, user: string) => {
    const mail = ["--mail-from", "alice@example.com", "--mail-rcpt", "b@elsewhere.example", "-T", "-"];
    return run(["curl", "-sSk", "-v", "--ssl-reqd", url, "-u", user, ...mail], "Subject: x\r\n\r\nhello\r\n");
  };

  test("logs in at submission and over wrapped TLS", async () => {
    const { submission, wrapped } = targets[who]!;
    for (const url of [`smtp://127.0.0.1:${submission}`, `smtps://127.0.0.1:${wrapped}`]) {
      const { code, out } = await send(url, "alice:secret");
      expect(out).toContain("235 2.7.0 Authentication successful");
      expect({ url, code }).toEqual({ url, code: 0 });
    }
    const wrong = await send(`smtps://127.0.0.1:${wrapped}`, "alice:wrong");
    expect(wrong.code).toBe(67);
  }, 60_000);
});

const SMTPLIB = `
import smtplib, ssl, sys
submission, wrapped = int(sys.argv[1]), int(sys.argv[2])
any = ssl._create_unverified_context()
def send(smtp, user, password):
    try:
        smtp.login(user, password)
        smtp.sendmail("alice@example.com", ["b@elsewhere.example"], "Subject: x\\r\\n\\r\\nhello")
        return "sent"
    except smtplib.SMTPAuthenticationError as error:
        return str(error.smtp_code)
    finally:
        smtp.close()
def starttls():
    smtp = smtplib.SMTP("127.0.0.1", submission)
    smtp.starttls(context=any)
    return smtp
def over_tls():
    return smtplib.SMTP_SSL("127.0.0.1", wrapped, context=any)
for open in starttls, over_tls:
    print(send(open(), "bob", "pass word"), send(open(), "bob", "wrong"), send(open(), "nobody", "wrong"))
`;

describe.each(WHO)("Python's smtplib (%s)", (who) => {
  const { test } = withPeers(import.meta.path, ...PEERS, "python3");
  test("logs in at submission and over wrapped TLS", async () => {
    const { submission, wrapped } = targets[who]!;
    const { out } = await run(["python3", "-c", SMTPLIB, String(submission), String(wrapped)]);
    expect(out).toBe("sent 535 535\nsent 535 535\n");
  }, 60_000);
});

describe.each(WHO)("STARTTLS and logins (%s)", (who) => {
  test("a login made in the clear is gone", async () => {
    const clear = await talk(targets[who]!.clear);
    await clear.say("EHLO x");
    expect(await clear.say(PLAIN)).toBe("235 2.7.0 Authentication successful");
    expect(await clear.say("STARTTLS")).toBe("220 2.0.0 Ready to start TLS");
    const client = await secure(clear);
    await client.say("MAIL FROM:<alice@example.com>");
    expect(await client.say("RCPT TO:<b@elsewhere.example>")).toContain("554 5.7.1");
    expect(await client.say("RSET")).toBe("250 2.0.0 Ok");
    expect(await client.say("EHLO x")).toContain("\n250-AUTH PLAIN LOGIN");
    expect(await client.say(PLAIN)).toBe("235 2.7.0 Authentication successful");
    client.end();
  }, 60_000);

  test("one that is sent ahead across STARTTLS is thrown away", async () => {
    for (const ahead of [PLAIN, "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0", "AUTH PLAIN\r\nAGFsaWNlAHNlY3JldA=="]) {
      const clear = await talk(targets[who]!.clear);
      await clear.say("EHLO x");
      clear.send(`STARTTLS\r\n${ahead}\r\n`);
      expect(await clear.reply()).toBe("220 2.0.0 Ready to start TLS");
      const client = await secure(clear);
      expect(await client.say("MAIL FROM:<alice@example.com>")).toBe("250 2.1.0 Ok");
      expect(await client.say("RCPT TO:<b@elsewhere.example>")).toContain("554 5.7.1");
      client.end();
    }
  }, 60_000);

  test("STARTTLS is no response to a challenge", async () => {
    const client = await talk(targets[who]!.clear);
    await client.say("EHLO x");
    expect(await client.say("AUTH PLAIN")).toBe("334");
    expect(await client.say("STARTTLS")).toContain("535 5.7.8 Error: authentication failed: ");
    expect(await client.say("NOOP")).toBe("250 2.0.0 Ok");
    client.end();
  }, 60_000);

  test("in the clear there is no login with smtpd_tls_auth_only, and none by asking for one", async () => {
    const client = await talk(targets[who]!.submission);
    expect(await client.say("EHLO x")).not.toContain("AUTH");
    expect(await client.say(PLAIN)).toBe("503 5.5.1 Error: authentication not enabled");
    client.end();
  }, 60_000);
});

test("Dovecot may be started again while sessions are open", async () => {
  const { clear } = targets.ours!;
  const [waiting, trying] = await Promise.all([talk(clear), talk(clear)]);
  await Promise.all([waiting.say("EHLO x"), trying.say("EHLO x")]);
  expect(await trying.say("AUTH LOGIN")).toBe("334 VXNlcm5hbWU6");
  await ownDovecot!.restart();
  // The old auth process may live on as long as somebody talks to it.
  const reply = await trying.say("YWxpY2U=");
  if (reply.startsWith("334 ")) {
    expect(await trying.say("c2VjcmV0")).toBe("235 2.7.0 Authentication successful");
  } else {
    expect(reply).toBe(
      "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
    );
    expect(await trying.say(PLAIN)).toBe("235 2.7.0 Authentication successful");
  }
  expect(await waiting.say(PLAIN)).toBe("235 2.7.0 Authentication successful");
  waiting.end();
  trying.end();
}, 60_000);

withPeers(import.meta.path, ...PEERS, "fail2ban").test(
  "fail2ban's filters find those who guess",
  async () => {
    const client = await talk(targets.ours!.clear);
    await client.say("EHLO x");
    for (
      const line of [
        `${PLAIN}=`,
        "AUTH PLAIN AGFsaWNlAG5v",
        "AUTH LOGIN",
        "YWxpY2U=",
        "bm8=",
        "AUTH CRAM-MD5",
        "bm8=",
      ]
    ) {
      await client.say(line);
    }
    await client.say("QUIT");
    await server!.logged(/clear\/smtpd\S*: warning: \S+: SASL CRAM-MD5 authentication failed/);
    const lines = server!.log().split("\n").filter((line) => line.includes(" clear/smtpd"));
    const folder = mkdtempSync(join(tmpdir(), "fail2ban-"));
    try {
      const from = lines.findLastIndex((line) =>
        line.includes("connect from") && !line.includes("disconnect")
      );
      const ours = lines.slice(from).map((line) => line.replace("clear/smtpd", "postfix/smtpd"));
      writeFileSync(join(folder, "maillog"), `${ours.join("\n")}\n`);
      const { out } = await run(["fail2ban-regex", join(folder, "maillog"), "postfix[mode=auth]"]);
      expect(out).toContain("Failregex: 4 total");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);
