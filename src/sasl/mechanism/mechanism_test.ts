import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { AuthStep, ChannelBinding } from "../auth_backend.ts";
import { cramMd5Client, cramMd5Server, type FindSecret } from "./cram_md5.ts";
import {
  type CheckPassword,
  type ClientLogin,
  type ClientScript,
  exchangeOf,
  type StartServer,
} from "./exchange.ts";
import { externalClient, externalServer } from "./external.ts";
import { loginClient, loginServer } from "./login.ts";
import {
  type CheckToken,
  oauthBearerClient,
  oauthBearerServer,
  parseOAuthBearer,
  parseXOAuth2,
  printOAuthBearer,
  printXOAuth2,
  xoauth2Client,
  xoauth2Server,
} from "./oauth.ts";
import { parsePlain, plainClient, plainServer } from "./plain.ts";
import { Gate } from "../password/gate.ts";
import { saslprep } from "../password/saslprep.ts";
import { type FindScram, scramClient, scramServer } from "./scram.ts";
import { scramVerifier } from "../password/scram_verifier.ts";
import {
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
  printClientFirstBare,
  printHeader,
  printServerFirst,
} from "./scram_messages.ts";

const USER = "ann@example.com";
const SECRET = "pencil";
const login = (more: Partial<ClientLogin> = {}): ClientLogin => ({
  username: USER,
  secret: SECRET,
  authorizationId: "",
  ...more,
});

interface Talk {
  readonly end: Exclude<AuthStep, { is: "challenge" }> | { readonly is: "client"; readonly why: string };
  /** `C: ` and `S: ` lines. */
  readonly lines: readonly string[];
  /** The client would have believed a success when it came. */
  readonly believed: boolean;
}

const text = (bytes: Buffer | undefined) => bytes?.toString().replaceAll("\x01", "^A").replaceAll("\0", "^@");

/** What a client and a server say to each other; `twist` may change what the client hears. */
async function talk(
  client: ClientScript,
  server: StartServer,
  twist: (challenge: Buffer) => Buffer = (challenge) => challenge,
): Promise<Talk> {
  const exchange = exchangeOf(server);
  const lines: string[] = [];
  let heard: Buffer | undefined;
  for (;;) {
    const said = await client.next(heard ?? Buffer.alloc(0));
    if (said.done === true) return { end: { is: "client", why: said.value }, lines, believed: false };
    if (said.value.response !== undefined) lines.push(`C: ${text(said.value.response)}`);
    const step = await exchange.step(said.value.response);
    if (step.is !== "challenge") return { end: step, lines, believed: said.value.last };
    lines.push(`S: ${text(step.challenge)}`);
    heard = twist(step.challenge);
  }
}

const check: CheckPassword = (username, password) =>
  username === USER && password === SECRET
    ? { is: "accepted", username }
    : username === "trouble"
    ? { is: "trouble", why: "table is down" }
    : { is: "refused" };
const findSecret: FindSecret = (username) =>
  username === USER ? { is: "secret", username, secret: SECRET } : { is: "none" };
const checkToken: CheckToken = (token, username) =>
  token === "dG9rZW4=" && (username === "" || username === USER)
    ? { is: "accepted", username: USER }
    : { is: "refused" };

describe("PLAIN", () => {
  test("the example of RFC 4616 is read", () => {
    expect(parsePlain(Buffer.from("\0tim\0tanstaaftanstaaf"))).toEqual({
      authorizationId: "",
      username: "tim",
      password: "tanstaaftanstaaf",
    });
    expect(parsePlain(Buffer.from("Ursel\0Kurt\0xipj3plmq"))).toMatchObject({ authorizationId: "Ursel" });
  });

  const server: StartServer = (initial) => plainServer(initial, check);

  test("the right password logs in, with and without an initial response; all else does not", async () => {
    expect(await talk(plainClient(login()), server)).toEqual({
      end: { is: "done", username: USER },
      lines: [`C: ^@${USER}^@${SECRET}`],
      believed: true,
    });
    const late = exchangeOf(server);
    expect(await late.step(undefined)).toEqual({ is: "challenge", challenge: Buffer.alloc(0) });
    expect(await late.step(Buffer.from(`\0${USER}\0${SECRET}`))).toEqual({ is: "done", username: USER });
    const wrong = await talk(plainClient(login({ secret: "pen" })), server);
    const unknown = await talk(plainClient(login({ username: "bob" })), server);
    expect(wrong.end).toEqual({ is: "failed", reason: "", username: USER });
    expect(unknown.end).toEqual({ is: "failed", reason: "", username: "bob" });
  });

  test("nobody acts for another user, but may say who he is", async () => {
    expect((await talk(plainClient(login({ authorizationId: "root" })), server)).end.is).toBe("failed");
    expect((await talk(plainClient(login({ authorizationId: USER })), server)).end.is).toBe("done");
  });

  test("where nobody can be asked the failure is temporary", async () => {
    expect((await talk(plainClient(login({ username: "trouble" })), server)).end).toMatchObject({
      is: "failed",
      temporary: true,
      warnings: ["table is down"],
    });
  });

  test.each(["", "\0", "\0\0", "ann\0secret", "\0ann\0", "\0\0secret", "\0ann\0sec\0ret", "\0ann\0\xff"])(
    "%j is no response",
    async (response) => {
      expect(await exchangeOf(server).step(Buffer.from(response, "latin1"))).toMatchObject({
        is: "failed",
        reason: "invalid PLAIN response",
      });
    },
  );
});

describe("LOGIN", () => {
  const server: StartServer = (initial) => loginServer(initial, check);

  test("asks for the name, then the password", async () => {
    expect(await talk(loginClient(login()), server)).toEqual({
      end: { is: "done", username: USER },
      lines: ["S: Username:", `C: ${USER}`, "S: Password:", `C: ${SECRET}`],
      believed: true,
    });
  });

  test("an initial response is the name; a password with a NUL is none", async () => {
    const exchange = exchangeOf(server);
    expect(await exchange.step(Buffer.from(USER))).toEqual({
      is: "challenge",
      challenge: Buffer.from("Password:"),
    });
    expect(await exchange.step(Buffer.from(`${SECRET}\0`))).toMatchObject({ is: "failed" });
  });
});

describe("CRAM-MD5", () => {
  const CHALLENGE = "<1896.697170952@postoffice.reston.mci.net>";

  test("the example of RFC 2195, from both sides", async () => {
    const tim = { username: "tim", secret: "tanstaaftanstaaf", authorizationId: "" };
    const find: FindSecret = (username) => ({ is: "secret", username, secret: "tanstaaftanstaaf" });
    expect(await talk(cramMd5Client(tim), () => cramMd5Server(CHALLENGE, find))).toEqual({
      end: { is: "done", username: "tim" },
      lines: [`S: ${CHALLENGE}`, "C: tim b913a602c7eda7a495b4e6e7334d3890"],
      believed: true,
    });
  });

  test("a wrong secret and an unknown user are refused alike, an empty secret helps nobody", async () => {
    const server: StartServer = () => cramMd5Server(CHALLENGE, findSecret);
    for (const who of [{ secret: "pen" }, { username: "bob" }, { username: "bob", secret: "" }]) {
      expect((await talk(cramMd5Client(login(who)), server)).end).toMatchObject({ is: "failed", reason: "" });
    }
  });
});

describe("SCRAM-SHA-256", () => {
  const verifier = scramVerifier(SECRET, Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"), 4096);
  const find: FindScram = async (username) => ({
    is: "verifier",
    username: username === "user" ? username : undefined,
    verifier: await verifier,
  });
  const bindings: Record<string, Buffer> = {
    "tls-exporter": Buffer.from("exported"),
    "tls-server-end-point": Buffer.from("certificate"),
  };
  const context = (plus: boolean, offersPlus = plus) => ({
    find,
    plus,
    offersPlus,
    channelBinding: (type: ChannelBinding) => bindings[type],
    nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  });
  const server = (plus: boolean, offersPlus = plus): StartServer => (initial) =>
    scramServer(initial, context(plus, offersPlus));
  const user = { username: "user", secret: SECRET, authorizationId: "" };
  const clear = { binding: undefined, couldBind: false, nonce: "rOprNGfwEbeRWgbNEkqO" };

  test("the example of RFC 7677, from both sides", async () => {
    const { end, lines, believed } = await talk(scramClient(user, clear), server(false));
    expect(lines).toEqual([
      "C: n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      "S: r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      "C: c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "S: v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
      "C: ",
    ]);
    expect(end).toEqual({ is: "done", username: "user" });
    expect(believed).toBe(true);
  });

  test("a wrong password and an unknown user see the same dialogue", async () => {
    const wrong = await talk(scramClient({ ...user, secret: "pen" }, clear), server(false));
    const unknown = await talk(scramClient({ ...user, username: "bob" }, clear), server(false));
    expect([wrong.end.is, unknown.end.is]).toEqual(["failed", "failed"]);
    expect(unknown.lines[1]).toBe(wrong.lines[1]!);
    expect(unknown.lines.length).toBe(wrong.lines.length);
  });

  for (const type of ["tls-exporter", "tls-server-end-point"] as const) {
    const bound = { ...clear, binding: { type, data: bindings[type]! }, couldBind: true };

    test(`PLUS with ${type}: both ends must see the same connection`, async () => {
      expect((await talk(scramClient(user, bound), server(true))).end.is).toBe("done");
      const other = { ...bound, binding: { type, data: Buffer.from("another connection") } };
      expect((await talk(scramClient(user, other), server(true))).end).toMatchObject({
        is: "failed",
        reason: "",
      });
    });
  }

  test("a client that could bind finds out that somebody has hidden PLUS from it", async () => {
    const couldBind = { ...clear, couldBind: true };
    expect((await talk(scramClient(user, couldBind), server(false))).end.is).toBe("done");
    expect((await talk(scramClient(user, couldBind), server(false, true))).end).toMatchObject({
      is: "failed",
      reason: "SCRAM: channel binding was stripped",
    });
  });

  test("a server that does not know the password is not believed", async () => {
    const lie = (challenge: Buffer) =>
      challenge.toString().startsWith("v=") ? Buffer.from(`v=${"A".repeat(43)}=`) : challenge;
    expect((await talk(scramClient(user, clear), server(false), lie)).end).toEqual({
      is: "client",
      why: "the server has not proved that it knows the password",
    });
    const early = scramClient(user, clear);
    expect((await early.next(Buffer.alloc(0))).value).toMatchObject({ last: false });
    const second = await early.next(Buffer.from("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096"));
    expect(second.value).toMatchObject({ last: false });
  });

  test.each([
    ["r=elsewhere,s=AAAA,i=4096", "the server does not know our nonce"],
    ["r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1", "the server asks for 1 SCRAM iterations"],
    ["r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=2000000000", "the server asks for 2000000000 SCRAM iterations"],
    ["r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1000001", "the server asks for 1000001 SCRAM iterations"],
    ["m=new,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096", "the server's first SCRAM message is malformed"],
    ["e=other-error", "the server's first SCRAM message is malformed"],
  ])("a client goes no further after %s", async (challenge, why) => {
    const client = scramClient(user, clear);
    await client.next(Buffer.alloc(0));
    expect((await client.next(Buffer.from(challenge))).value).toBe(why);
  });

  test("what servers ask of clients is done one after the other", async () => {
    const gate = new Gate({ parallel: 1, waiting: 0 });
    const clients = [1, 2].map(() => scramClient(user, { ...clear, gate }));
    for (const client of clients) await client.next(Buffer.alloc(0));
    const answers = clients.map((client) =>
      client.next(Buffer.from("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1000000"))
    );
    const [first, second] = await Promise.all(answers);
    expect(first).toMatchObject({ done: false });
    expect(second).toEqual({ done: true, value: "too many logins at a time" });
  });

  test("names and passwords beyond ASCII are prepared, names with , and = come across", async () => {
    const salt = Buffer.alloc(16, 7);
    const kept = await scramVerifier((await saslprep("pa\u00adss\u2168", "stored"))!, salt, 4096);
    const known: FindScram = (username) => ({ is: "verifier", username, verifier: kept });
    const start: StartServer = (initial) => scramServer(initial, { ...context(false), find: known });
    const who = { username: "a=b,c\u2168", secret: "passIX", authorizationId: "" };
    const { end, lines } = await talk(scramClient(who, clear), start);
    expect(lines[0]).toBe("C: n,,n=a=3Db=2CcIX,r=rOprNGfwEbeRWgbNEkqO");
    expect(end).toEqual({ is: "done", username: "a=b,cIX" });
  });
});

describe("OAUTHBEARER and XOAUTH2", () => {
  const token = "dG9rZW4=";

  test("the example of RFC 7628 §4.1", () => {
    const bearer = {
      username: "user@example.com",
      token: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
    };
    const want =
      "n,a=user@example.com,^Ahost=server.example.com^Aport=143^Aauth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==^A^A";
    expect(text(printOAuthBearer(bearer, "server.example.com", 143))).toBe(want);
    expect(parseOAuthBearer(Buffer.from(want.replaceAll("^A", "\x01")))).toEqual(bearer);
  });

  test("the example of Google's page on XOAUTH2", () => {
    const message = Buffer.from(
      "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
      "base64",
    );
    const bearer = {
      username: "someuser@example.com",
      token: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
    };
    expect(parseXOAuth2(message)).toEqual(bearer);
    expect(printXOAuth2(bearer)).toEqual(message);
  });

  test("a good token logs in; a bad one is told why, acknowledged and refused", async () => {
    const plus = (secret: string) => login({ secret });
    const bearer: StartServer = (initial) => oauthBearerServer(initial, checkToken);
    const xoauth2: StartServer = (initial) => xoauth2Server(initial, checkToken);
    const host = ["mail.example.com", 587] as const;
    expect((await talk(oauthBearerClient(plus(token), ...host), bearer)).end.is).toBe("done");
    expect((await talk(xoauth2Client(plus(token)), xoauth2)).end.is).toBe("done");
    const [one, other] = [
      await talk(oauthBearerClient(plus("bad"), ...host), bearer),
      await talk(xoauth2Client(plus("bad")), xoauth2),
    ];
    expect(one.lines.slice(1)).toEqual(['S: {"status":"invalid_token"}', "C: ^A"]);
    expect(other.lines.slice(1)).toEqual(['S: {"status":"401","schemes":"bearer"}', "C: "]);
    expect([one.end, other.end].map(({ is }) => is)).toEqual(["failed", "failed"]);
    expect([one.believed, other.believed]).toEqual([false, false]);
  });
});

test("EXTERNAL takes the name that the certificate has shown, and no other", async () => {
  const server = (user: string | undefined): StartServer => (initial) => externalServer(initial, user);
  expect((await talk(externalClient(login()), server(USER))).end).toEqual({ is: "done", username: USER });
  expect((await talk(externalClient(login({ authorizationId: USER })), server(USER))).end.is).toBe("done");
  expect((await talk(externalClient(login({ authorizationId: "bob" })), server(USER))).end.is).toBe("failed");
  expect((await talk(externalClient(login()), server(undefined))).end.is).toBe("failed");
});

test("an exchange that is given up is over, whenever that is", async () => {
  const exchange = exchangeOf((initial) => loginServer(initial, check));
  exchange.abort();
  await exchange.step(undefined);
  exchange.abort();
  exchange.abort();
});

/** Texts that may stand in names and passwords. */
const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((each) => !each.includes("\0") && each.isWellFormed());

describe("properties", () => {
  test("every mechanism carries every name and secret from client to server", async () => {
    await fc.assert(fc.asyncProperty(word, word, async (username, secret) => {
      const who = { username, secret, authorizationId: "" };
      const same: CheckPassword = (name, given) => ({
        is: name === username && given === secret ? "accepted" : "refused",
        username: name,
      });
      const find: FindSecret = (name) => ({ is: "secret", username: name, secret });
      const sides: readonly [ClientScript, StartServer][] = [
        [plainClient(who), (initial) => plainServer(initial, same)],
        [loginClient(who), (initial) => loginServer(initial, same)],
        [cramMd5Client(who), () => cramMd5Server("<1@example.com>", find)],
        [
          externalClient({ ...who, authorizationId: username }),
          (initial) => externalServer(initial, username),
        ],
      ];
      for (const [client, server] of sides) {
        expect((await talk(client, server)).end).toEqual({ is: "done", username });
      }
    }));
  });

  test("SCRAM: what a client says for a name and password is taken with that verifier, and with no other", async () => {
    const other = await scramVerifier("another password altogether", Buffer.alloc(16), 4096);
    await fc.assert(
      fc.asyncProperty(word, word, async (username, secret) => {
        const prepared = await saslprep(username);
        fc.pre(prepared !== undefined && prepared !== "" && !/[\0]/.test(prepared));
        const salt = Buffer.from(username);
        const verifier = await scramVerifier((await saslprep(secret)) ?? secret, salt, 4096);
        const context = { plus: false, offersPlus: false, channelBinding: () => undefined, nonce: "server" };
        const client = () =>
          scramClient({ username, secret, authorizationId: "" }, {
            binding: undefined,
            couldBind: false,
            nonce: "client",
          });
        const server = (kept: typeof verifier): StartServer => (initial) =>
          scramServer(initial, {
            ...context,
            find: (name) => ({ is: "verifier", username: name, verifier: kept }),
          });
        expect((await talk(client(), server(verifier))).end).toEqual({ is: "done", username: prepared! });
        expect((await talk(client(), server(other))).end.is).toBe("failed");
      }),
      { numRuns: 50 },
    );
  });

  test("what is printed is read back: SCRAM and the bearer messages", () => {
    const nonce = fc.string({ unit: fc.constantFrom(..."abcXYZ019+/%$"), minLength: 1 });
    fc.assert(fc.property(word, word, nonce, fc.uint8Array(), (username, authorizationId, unique, salt) => {
      const first = Buffer.from(
        printHeader({ flag: "n" }, authorizationId) + printClientFirstBare(username, unique),
      );
      expect(parseClientFirst(first)).toMatchObject({ username, authorizationId, nonce: unique });
      const serverFirst = { nonce: unique, salt: Buffer.from(salt), iterations: 4096 };
      expect(parseServerFirst(Buffer.from(printServerFirst(serverFirst)))).toEqual(serverFirst);
      const bearer = { username, token: "a.b-c_d~e+f/g==" };
      expect(parseOAuthBearer(printOAuthBearer(bearer, "mail.example.com", 25))).toEqual(bearer);
      if (!username.includes("\x01")) expect(parseXOAuth2(printXOAuth2(bearer))).toEqual(bearer);
    }));
  });

  test("no bytes make a parser throw, and none but a success logs in", async () => {
    const parsers = [
      parsePlain,
      parseOAuthBearer,
      parseXOAuth2,
      parseClientFirst,
      parseClientFinal,
      parseServerFirst,
      parseServerFinal,
    ];
    const parts = [
      "\0",
      ",",
      "n",
      "y",
      "p=",
      "a=",
      "r=",
      "=2C",
      "c=biws",
      "\x01",
      "auth=Bearer ",
      "user=",
      "i=1",
      "v=",
    ];
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.oneof(fc.constantFrom(...parts), fc.string()), { maxLength: 12 })
        .map((each) => Buffer.from(each.join(""))),
    );
    const never = { is: "refused" } as const;
    const starts: readonly StartServer[] = [
      (initial) => plainServer(initial, () => never),
      (initial) => loginServer(initial, () => never),
      () => cramMd5Server("<1@example.com>", () => ({ is: "none" })),
      (initial) => oauthBearerServer(initial, () => never),
      (initial) => xoauth2Server(initial, () => never),
    ];
    await fc.assert(fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 4 }), async (responses) => {
      for (const parse of parsers) for (const each of responses) parse(each);
      for (const start of starts) {
        const exchange = exchangeOf(start);
        for (const response of responses) {
          const step = await exchange.step(Buffer.from(response));
          expect(step.is).not.toBe("done");
          if (step.is === "failed") break;
        }
      }
    }));
  });
});
