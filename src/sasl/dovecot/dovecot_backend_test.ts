import { describe, expect, test } from "bun:test";
import { type FakeClock, fakeClock, settle } from "../../../test/kit/memory/fake_clock.ts";
import { type MemoryDovecot, memoryDovecot } from "../../../test/kit/memory/memory_dovecot.ts";
import type { AuthBackend, AuthSession } from "../auth_backend.ts";
import { readServerLine } from "./auth_protocol.ts";
import { createDovecotBackend } from "./dovecot_backend.ts";

const SESSION: AuthSession = {
  service: "smtp",
  realm: "",
  myhostname: "mail.example.com",
  client: { address: "192.0.2.7", port: 40_000 },
  server: { address: "192.0.2.1", port: 587 },
  tls: undefined,
};

const TLS: AuthSession["tls"] = { channelBinding: () => undefined, certificateUser: undefined };

interface Trial {
  readonly backend: AuthBackend;
  readonly dovecot: MemoryDovecot;
  readonly clock: FakeClock;
}

function trial(): Trial {
  const [dovecot, clock] = [memoryDovecot(), fakeClock()];
  const world = { connect: dovecot.connect, clock, clientNumber: () => 4_200_000 };
  return { dovecot, clock, backend: createDovecotBackend("private/auth", { path: "/x" }, world) };
}

const plain = (name: string, password: string) => Buffer.from(`\0${name}\0${password}`);
const logIn = ({ backend }: Trial, name = "alice", password = "secret", session = SESSION) =>
  backend.begin("PLAIN", session).step(plain(name, password));

test("what is said to Dovecot is what Postfix says", async () => {
  const one = trial();
  await logIn(one);
  await logIn(one, "alice", "wrong", { ...SESSION, tls: TLS, service: "a\tb" });
  const login = one.backend.begin("LOGIN", SESSION);
  await login.step(undefined);
  login.abort();
  const empty = one.backend.begin("LOGIN", SESSION);
  await empty.step(Buffer.alloc(0));
  await empty.step(Buffer.alloc(0));
  expect(one.dovecot.heard).toEqual([
    "VERSION\t1\t0",
    "CPID\t4200000",
    "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=192.0.2.7\tresp=AGFsaWNlAHNlY3JldA==",
    "AUTH\t2\tPLAIN\tservice=a\x01tb\tnologin\tlip=192.0.2.1\trip=192.0.2.7\tsecured\tresp=AGFsaWNlAHdyb25n",
    "AUTH\t3\tLOGIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=192.0.2.7",
    "CANCEL\t3",
    "AUTH\t4\tLOGIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=192.0.2.7\tresp==",
    "CONT\t4\t",
  ]);
});

test("what Dovecot announces is offered, but for what is private", async () => {
  const { backend } = trial();
  expect(await backend.offer(SESSION)).toEqual({
    is: "mechanisms",
    mechanisms: [
      { name: "PLAIN", properties: ["plaintext"] },
      { name: "LOGIN", properties: ["plaintext"] },
      { name: "CRAM-MD5", properties: ["dictionary", "active"] },
      { name: "ANONYMOUS", properties: ["anonymous"] },
    ],
  });
});

describe("exchanges share one connection", () => {
  test("and each has its own answer, whatever the order", async () => {
    const one = trial();
    const names = Array.from({ length: 50 }, (_, i) => i % 2 === 0 ? "alice" : `nobody${i}`);
    const steps = await Promise.all(names.map((name) => logIn(one, name)));
    expect(one.dovecot.connections).toBe(1);
    expect(steps).toEqual(
      names.map((name) =>
        name === "alice"
          ? { is: "done", username: "alice" }
          : { is: "failed", reason: "", username: name, temporary: false }
      ),
    );
  });

  test("until Dovecot ends it: then there is another, and whoever waits for Dovecot hears of it", async () => {
    const one = trial();
    await one.backend.offer(SESSION);
    const login = one.backend.begin("LOGIN", SESSION);
    await login.step(undefined);
    one.dovecot.silent = true;
    const lost = login.step(Buffer.from("alice"));
    one.dovecot.restart();
    one.dovecot.silent = false;
    expect(await lost).toMatchObject({
      is: "failed",
      temporary: true,
      reason: "Connection lost to authentication server",
    });
    expect(await logIn(one)).toEqual({ is: "done", username: "alice" });
    expect(one.dovecot.connections).toBe(2);
  });

  test("and one that had just begun when it ended begins again on the next", async () => {
    const one = trial();
    await one.backend.offer(SESSION);
    one.dovecot.silent = true;
    const begun = logIn(one);
    await settle();
    one.dovecot.silent = false;
    one.dovecot.restart();
    expect(await begun).toEqual({ is: "done", username: "alice" });
  });
});

test("a mechanism that a new Dovecot no longer has is not asked for: it would end the connection", async () => {
  const one = trial();
  await one.backend.offer(SESSION);
  one.dovecot.mechanisms = ["LOGIN\tplaintext"];
  one.dovecot.restart();
  expect(await logIn(one)).toMatchObject({ is: "failed", reason: "Invalid authentication mechanism" });
  expect(one.dovecot.heard.some((line) => line.startsWith("AUTH"))).toBe(false);
});

describe("Dovecot is not there", () => {
  test("nothing is offered, and the log hears where it was looked for", async () => {
    const one = trial();
    one.dovecot.gone = true;
    expect(await one.backend.offer(SESSION)).toEqual({
      is: "trouble",
      warnings: ["SASL: Connect to Dovecot auth socket 'private/auth' failed: No such file or directory"],
    });
  });

  test("any more: who tries then shall try later, and it is found again when it comes back", async () => {
    const one = trial();
    await one.backend.offer(SESSION);
    one.dovecot.restart();
    one.dovecot.gone = true;
    expect(await logIn(one)).toMatchObject({ is: "failed", temporary: true });
    one.dovecot.gone = false;
    expect(await logIn(one)).toEqual({ is: "done", username: "alice" });
  });

  test("or silent: a handshake has 10 seconds", async () => {
    const one = trial();
    one.dovecot.silent = true;
    const offer = one.backend.offer(SESSION);
    await settle();
    await one.clock.advance(10_000);
    expect(await offer).toEqual({ is: "trouble", warnings: ["SASL: Dovecot's auth socket is silent"] });
  });

  test("or silent later: an answer has 30 seconds, and where nothing came at all the connection is given up", async () => {
    const one = trial();
    await one.backend.offer(SESSION);
    await one.clock.advance(1);
    one.dovecot.silent = true;
    const late = logIn(one);
    await settle();
    await one.clock.advance(30_000);
    expect(await late).toMatchObject({ is: "failed", temporary: true });
    one.dovecot.silent = false;
    expect(await logIn(one)).toEqual({ is: "done", username: "alice" });
    expect(one.dovecot.connections).toBe(2);
  });

  test("for one: the others go on over the same connection, and the late answer is nobody's", async () => {
    const one = trial();
    await one.backend.offer(SESSION);
    await one.clock.advance(1);
    one.dovecot.silent = true;
    const late = logIn(one);
    await settle();
    await one.clock.advance(20_000);
    one.dovecot.say("CUID\t1");
    one.dovecot.silent = false;
    expect(await logIn(one)).toEqual({ is: "done", username: "alice" });
    await one.clock.advance(10_000);
    expect(await late).toMatchObject({ is: "failed", temporary: true });
    expect(one.dovecot.heard).toContain("CANCEL\t1");
    one.dovecot.say("OK\t1\tuser=alice");
    expect(await logIn(one, "alice", "wrong")).toMatchObject({ is: "failed", temporary: false });
    expect(one.dovecot.connections).toBe(1);
  });

  test("when the service ends", async () => {
    const one = trial();
    await one.backend.offer(SESSION);
    one.backend.close();
    expect(await logIn(one)).toMatchObject({ is: "failed", temporary: true });
  });
});

/** Dovecot answers a login with this line. */
async function answered(line: string) {
  const one = trial();
  await one.backend.offer(SESSION);
  one.dovecot.silent = true;
  const step = logIn(one);
  await settle();
  one.dovecot.say(line);
  return await step;
}

describe("what an answer means", () => {
  const rows: readonly (readonly [line: string, step: object])[] = [
    ["OK\t1\tuser=alice\tnoauthz", { is: "done", username: "alice" }],
    ["OK\t1\tuser=al\x01tice", { is: "done", username: "al\tice" }],
    ["OK\t1", { is: "failed", reason: "Authentication backend error" }],
    // A user who shall not get in though his password is right (Dovecot's passdb extra fields).
    ["OK\t1\tuser=alice\tnologin\treason=on holiday", { is: "failed", reason: "on holiday" }],
    ["OK\t1\tuser=alice\tnologin\tproxy\thost=imap.example", { is: "done", username: "alice" }],
    ["FAIL\t1", { is: "failed", reason: "", temporary: false }],
    ["FAIL\t1\tuser=alice\treason=no\x01tway", { is: "failed", reason: "no\tway", username: "alice" }],
    ["FAIL\t1\tuser=alice\ttemp", { is: "failed", temporary: true }],
    ["FAIL\t1\tuser=alice\tcode=temp_fail", { is: "failed", temporary: true }],
    ["CONT\t1\t", { is: "challenge", challenge: Buffer.alloc(0) }],
    ["CONT\t1\tQUI=", { is: "challenge", challenge: Buffer.from("AB") }],
    ["CONT\t1\t!", { is: "failed", reason: "Authentication backend error" }],
    ["CONT\t1", { is: "failed", reason: "Authentication backend error" }],
  ];
  test.each(rows)("%j", async (line, step) => {
    expect(await answered(line)).toMatchObject(step);
  });
});

test("lines that nobody knows are passed over", () => {
  for (
    const line of ["", "\t", "NEW\tx", "OK", "OK\tx\tuser=alice", "FAIL\t-1", "MECH", "MECH\t\tplaintext"]
  ) {
    expect(readServerLine(line)).toEqual({ is: "other" });
  }
});

test("another major version, an endless line, or the socket for masters is no Dovecot to log in with", async () => {
  const rows = [
    ["VERSION\t2\t0", "SASL: Protocol version mismatch (2 vs. 1)"],
    ["SPID\t1", "SASL: Connected to wrong auth socket (auth-master instead of auth-client)"],
    ["x".repeat(70_000), "SASL: Protocol error"],
  ] as const;
  for (const [line, why] of rows) {
    const one = trial();
    one.dovecot.silent = true;
    const offer = one.backend.offer(SESSION);
    await settle();
    one.dovecot.say(line);
    expect(await offer).toEqual({ is: "trouble", warnings: [why] });
  }
});

test("a request that Dovecot would end the connection for is refused here", async () => {
  const one = trial();
  const step = await one.backend.begin("PLAIN", SESSION).step(Buffer.alloc(13_000));
  expect(step).toMatchObject({ is: "failed", temporary: false });
  expect(one.dovecot.heard.some((line) => line.startsWith("AUTH"))).toBe(false);
  expect(await logIn(one)).toEqual({ is: "done", username: "alice" });
});
