import { describe, expect, test } from "bun:test";
import type { Answer } from "../../table/table.ts";
import type { AuthBackend, AuthSession, AuthStep } from "../auth_backend.ts";
import { loginClient } from "../mechanism/login.ts";
import { cramMd5Client } from "../mechanism/cram_md5.ts";
import type { ClientLogin, ClientScript } from "../mechanism/exchange.ts";
import { plainClient } from "../mechanism/plain.ts";
import { scramClient } from "../mechanism/scram.ts";
import { storedForm } from "../password/make_password.ts";
import { createInternalBackend } from "./internal_backend.ts";

const SECRET = "correct horse";

const USERS: Record<string, string> = {
  "ann@example.com": (await storedForm(SECRET, "ARGON2ID"))!,
  "bob@example.com": (await storedForm(SECRET, "SCRAM-SHA-256"))!,
  "both@example.com": `${await storedForm(SECRET, "ARGON2ID")} ${await storedForm(SECRET, "SCRAM-SHA-256")}`,
  "carol": `{PLAIN}${SECRET}`,
  "broken": "no scheme",
};

const ALL = "PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, SCRAM-SHA-256-PLUS, OAUTHBEARER, XOAUTH2, EXTERNAL";

function backend(
  mechanisms = ALL,
  users: (key: string) => Answer = (key) =>
    USERS[key] === undefined ? { is: "absent" } : { is: "found", value: USERS[key] },
): AuthBackend {
  return createInternalBackend({
    settings: { sasl_ldap_bind: "", sasl_mechanisms: mechanisms, sasl_users: "" },
    users: { find: users },
    checkToken: (token, username) => ({ is: token === "good" ? "accepted" : "refused", username }),
    decoyKey: Buffer.alloc(32, 1),
    now: () => 1_000,
  });
}

const session = (more: Partial<AuthSession> = {}): AuthSession => ({
  service: "smtp",
  realm: "",
  myhostname: "mail.example.com",
  client: { address: "192.0.2.7", port: 40_000 },
  server: { address: "192.0.2.1", port: 587 },
  tls: undefined,
  ...more,
});

const tls = (binding: string, certificateUser?: string): AuthSession["tls"] => ({
  channelBinding: (type) => type === "tls-exporter" ? Buffer.from(binding) : undefined,
  certificateUser,
});

async function names(of: AuthBackend, where: AuthSession): Promise<string> {
  const offer = await of.offer(where);
  return offer.is === "mechanisms" ? offer.mechanisms.map(({ name }) => name).join(" ") : offer.is;
}

/** Runs a client against the back end; answers the last step, and what the server said before it. */
async function logIn(
  of: AuthBackend,
  mechanism: string,
  client: ClientScript,
  where = session(),
): Promise<AuthStep & { said: readonly string[] }> {
  const exchange = of.begin(mechanism, where);
  const said: string[] = [];
  for (let heard: Buffer = Buffer.alloc(0);;) {
    const next = await client.next(heard);
    if (next.done === true) throw new Error(next.value);
    const step = await exchange.step(next.value.response);
    if (step.is !== "challenge") return { ...step, said };
    said.push(step.challenge.toString());
    heard = step.challenge;
  }
}

const as = (username: string, secret = SECRET): ClientLogin => ({ username, secret, authorizationId: "" });
const scram = (username: string, secret = SECRET, data?: string) =>
  scramClient(as(username, secret), {
    binding: data === undefined ? undefined : { type: "tls-exporter", data: Buffer.from(data) },
    couldBind: false,
    nonce: "client",
  });

describe("what is offered", () => {
  test("what the connection can carry, of what sasl_mechanisms names", async () => {
    expect(await names(backend(), session())).toBe("PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 OAUTHBEARER XOAUTH2");
    expect(await names(backend(), session({ tls: tls("x") }))).toContain("SCRAM-SHA-256-PLUS");
    expect(await names(backend(), session({ tls: tls("x", "ann") }))).toContain("EXTERNAL");
    expect(await names(backend("login plain"), session())).toBe("PLAIN LOGIN");
  });

  test("a mechanism that was not offered cannot be begun", async () => {
    const step = await backend("PLAIN").begin("LOGIN", session()).step(undefined);
    expect(step).toEqual({ is: "failed", reason: "Invalid authentication mechanism", username: undefined });
  });
});

describe("passwords", () => {
  test.each(["ann@example.com", "ANN@Example.Com", "bob@example.com", "both@example.com", "carol"])(
    "%s logs in with PLAIN and LOGIN, and is known in lower case from then on",
    async (name) => {
      const done = { is: "done", username: name.toLowerCase() };
      expect(await logIn(backend(), "PLAIN", plainClient(as(name)))).toMatchObject(done);
      expect(await logIn(backend(), "LOGIN", loginClient(as(name)))).toMatchObject(done);
    },
  );

  test("a name without a domain is also looked up with smtpd_sasl_local_domain", async () => {
    const where = session({ realm: "Example.com" });
    expect(await logIn(backend(), "PLAIN", plainClient(as("ann")), where)).toMatchObject({
      username: "ann@example.com",
    });
    expect(await logIn(backend(), "PLAIN", plainClient(as("carol")), where)).toMatchObject({
      username: "carol",
    });
    expect((await logIn(backend(), "PLAIN", plainClient(as("ann")))).is).toBe("failed");
  });

  test("a name with smtpd_sasl_local_domain and without it has one salt, whether there is such a user or not", async () => {
    const where = session({ realm: "Example.com" });
    const saltOf = async (name: string) => {
      const { said } = await logIn(backend(), "SCRAM-SHA-256", scram(name, "wrong"), where);
      return /,s=[^,]+/.exec(said[0]!)![0];
    };
    for (const name of ["both", "nobody"]) {
      expect(await saltOf(name)).toBe(await saltOf(`${name}@EXAMPLE.com`));
    }
  });

  test("a wrong password and an unknown user are answered with the same words", async () => {
    const wrong = await logIn(backend(), "PLAIN", plainClient(as("ann@example.com", "wrong")));
    const unknown = await logIn(backend(), "PLAIN", plainClient(as("eve@example.com", SECRET)));
    expect(wrong).toEqual({ is: "failed", reason: "", username: "ann@example.com", said: [] });
    expect(unknown).toEqual({ is: "failed", reason: "", username: "eve@example.com", said: [] });
  });

  test("an unknown user costs what a known one costs, whatever users' hashes are", async () => {
    const yescrypt = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$3aqK/59sTsAUv8qtZW2VlrLuv2N1qy30K5G70wPsbc.";
    for (const stored of [USERS["ann@example.com"]!, yescrypt]) {
      const of = backend(ALL, (key) => key === "ann" ? { is: "found", value: stored } : { is: "absent" });
      const cost = async (name: string) => {
        const before = process.cpuUsage();
        for (let i = 0; i < 10; i++) await logIn(of, "PLAIN", plainClient(as(name, "wrong")));
        const { user, system } = process.cpuUsage(before);
        return user + system;
      };
      await cost("ann");
      const [known, unknown] = [await cost("ann"), await cost("eve")];
      expect(unknown / known).toBeGreaterThan(0.5);
      expect(unknown / known).toBeLessThan(2);
    }
  });

  test("a table in trouble, and an entry that is no password, are temporary failures that the log explains", async () => {
    const down = backend(ALL, () => ({ is: "trouble", retry: true, why: "table is down" }));
    expect(await logIn(down, "PLAIN", plainClient(as("ann")))).toMatchObject({
      is: "failed",
      temporary: true,
      warnings: ["table is down"],
    });
    expect(await logIn(backend(), "PLAIN", plainClient(as("broken")))).toMatchObject({
      temporary: true,
      warnings: [
        "sasl_users entry of broken: a password needs a scheme in front of it: {PLAIN}, {SHA512-CRYPT}, $6$...",
      ],
    });
  });

  test("no name reaches a table that could be anything but a name", async () => {
    const asked: string[] = [];
    const of = backend("PLAIN", (key) => (asked.push(key), { is: "absent" }));
    for (const name of ["a\nb", "a b", "a\x7f", "x".repeat(321)]) {
      expect((await logIn(of, "PLAIN", plainClient(as(name)))).is).toBe("failed");
    }
    expect(asked).toEqual([]);
  });

  test("guesses by the thousand are turned away, not queued without end", async () => {
    const of = backend("PLAIN");
    const steps = await Promise.all(
      Array.from({ length: 150 }, () => logIn(of, "PLAIN", plainClient(as("bob@example.com", "wrong")))),
    );
    const busy = steps.filter((step) => step.is === "failed" && step.temporary === true);
    expect(busy.length).toBe(150 - 61);
  });
});

test("users of a directory that does not answer hold up nobody else", async () => {
  const bind = Promise.withResolvers<boolean>();
  const of = createInternalBackend({
    settings: { sasl_ldap_bind: "", sasl_mechanisms: "PLAIN", sasl_users: "" },
    users: {
      find: (key) => ({
        is: "found",
        value: key === "ann" ? "{PLAIN}correct horse" : "{LDAP}uid=bob,dc=example",
      }),
    },
    bind: () => bind.promise,
    checkToken: undefined,
    now: () => 0,
  });
  const waiting = Array.from({ length: 10 }, () => logIn(of, "PLAIN", plainClient(as("bob"))));
  expect((await logIn(of, "PLAIN", plainClient(as("ann")))).is).toBe("done");
  bind.resolve(true);
  for (const step of await Promise.all(waiting)) expect(step.is).toBe("done");
});

describe("under a flood of guesses", () => {
  const from = (address: string) => session({ client: { address, port: 1 } });

  test("who has logged in from there before goes first, and is not turned away", async () => {
    const of = backend("PLAIN");
    const ann = () => logIn(of, "PLAIN", plainClient(as("bob@example.com")), from("192.0.2.7"));
    expect((await ann()).is).toBe("done");
    const ends: string[] = [];
    const note = (who: string) => (step: AuthStep) => {
      ends.push(step.is === "failed" && step.temporary === true ? `${who} busy` : who);
    };
    const guesses = Array.from(
      { length: 150 },
      () =>
        logIn(of, "PLAIN", plainClient(as("bob@example.com", "wrong")), from("198.51.100.1")).then(
          note("guess"),
        ),
    );
    const stranger = logIn(of, "PLAIN", plainClient(as("bob@example.com")), from("198.51.100.2")).then(
      note("new"),
    );
    await ann().then(note("known"));
    const before = ends.filter((end) => end === "guess").length;
    expect(before).toBeLessThanOrEqual(4);
    await Promise.all([...guesses, stranger]);
    expect(ends.filter((end) => end === "guess busy").length).toBe(150 - 61);
    expect(ends).toContain("new busy");
  });
});

describe("CRAM-MD5", () => {
  test("only for those whose password is stored as it is", async () => {
    expect((await logIn(backend(), "CRAM-MD5", cramMd5Client(as("carol")))).is).toBe("done");
    expect((await logIn(backend(), "CRAM-MD5", cramMd5Client(as("ann@example.com")))).is).toBe("failed");
    expect((await logIn(backend(), "CRAM-MD5", cramMd5Client(as("eve")))).is).toBe("failed");
  });
});

describe("SCRAM-SHA-256", () => {
  test.each(["bob@example.com", "both@example.com", "carol"])("%s logs in", async (name) => {
    expect((await logIn(backend(), "SCRAM-SHA-256", scram(name))).is).toBe("done");
    expect((await logIn(backend(), "SCRAM-SHA-256", scram(name, "wrong"))).is).toBe("failed");
  });

  test("a user without a verifier, and one who is not there, see a dialogue like anybody's, the same each time", async () => {
    const [known, other] = [backend(), backend()];
    const said = async (of: AuthBackend, name: string) => {
      const step = await logIn(of, "SCRAM-SHA-256", scram(name, "wrong"));
      expect(step.is).toBe("failed");
      return step.said.join(" ").replace(/r=[^,]*,/, "");
    };
    expect(await said(known, "bob@example.com")).toMatch(/^s=.{24},i=40960$/);
    for (const name of ["ann@example.com", "eve@example.com"]) {
      expect(await said(known, name)).toMatch(/^s=.{24},i=40960$/);
      expect(await said(known, name)).toBe(await said(other, name));
    }
    expect(await said(known, "eve@example.com")).not.toBe(await said(known, "eva@example.com"));
  });

  test("PLUS: both ends are bound to the same connection", async () => {
    const where = session({ tls: tls("this connection") });
    const plus = (data: string) =>
      logIn(backend(), "SCRAM-SHA-256-PLUS", scram("bob@example.com", SECRET, data), where);
    expect((await plus("this connection")).is).toBe("done");
    expect((await plus("another")).is).toBe("failed");
  });
});
