// Logins with tokens: a loopback OAuth2 server gives them, changes, refuses and withholds them. No mail is lost for any of it.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outcomeLines, testAgent } from "../../../../test/kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../../../test/kit/servers/smtp_peer.ts";
import { createOpenTables } from "../../../rewrite/open_tables.ts";

/** An authorization server that hands out `token1`, `token2`... and, where it rotates, a new refresh token at every use. */
class Issuer {
  readonly server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => this.#answer(request) });
  readonly forms: Record<string, string>[] = [];
  refreshToken = "refresh0";
  life = 3600;
  rotates = false;
  broken: Response | undefined;
  #count = 0;

  async #answer(request: Request): Promise<Response> {
    const form = Object.fromEntries(new URLSearchParams(await request.text()));
    this.forms.push(form);
    if (this.broken !== undefined) return this.broken.clone();
    if (form.grant_type === "refresh_token" && form.refresh_token !== this.refreshToken) {
      return Response.json({ error: "invalid_grant" }, { status: 400 });
    }
    this.#count++;
    if (this.rotates) this.refreshToken = `refresh${this.#count}`;
    return Response.json({
      access_token: `token${this.#count}`,
      expires_in: this.life,
      ...(this.rotates && { refresh_token: this.refreshToken }),
    });
  }
}

let folder = "";
let issuer: Issuer;
let peer: SmtpPeer;
let good: (token: string) => boolean;
let now = 1_800_000_000_000;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tokens-"));
  peer = await startSmtpPeer({
    ehlo: ["AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"],
    auth: (line, count) => {
      if (count > 0) return "535 5.7.8 refused";
      const token = /auth=Bearer (\S+)\^A\^A$/.exec(line)?.[1] ?? "";
      return good(token) ? "235 2.7.0 ok" : `334 ${Buffer.from('{"status":"401"}').toString("base64")}`;
    },
  });
});
afterAll(async () => {
  await peer.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  issuer = new Issuer();
  good = () => true;
  peer.auth.length = 0;
  rmSync(join(folder, "data"), { recursive: true, force: true });
  mkdirSync(join(folder, "data"));
  return () => issuer.server.stop(true);
});

function writeFile(more: Readonly<Record<string, string>> = {}): string {
  const path = join(folder, "gmail.json");
  writeFileSync(
    path,
    JSON.stringify({
      token_endpoint: `http://127.0.0.1:${issuer.server.port}/token`,
      client_id: "client",
      client_secret: "sesame",
      refresh_token: "refresh0",
      ...more,
    }),
  );
  return path;
}

const openTables = createOpenTables({
  directory: "",
  parameter: () => undefined,
  warn: () => {},
  clock: () => 0,
});

/** A worker's client. */
function client(path: string, settings: object = {}) {
  const { agent, deliver } = testAgent({
    data_directory: join(folder, "data"),
    smtp_sasl_auth_enable: true,
    smtp_sasl_security_options: "noanonymous",
    smtp_sasl_password_maps: `inline:{ 127.0.0.1=ann@example.com:oauth:${path} }`,
    ...settings,
  }, {
    now: () => now,
    rewriting: { openTables, find: () => ({ answer: { is: "absent" }, key: "", extension: "" }) },
  });
  return {
    /** How a message ends; each is a connection of its own. */
    send: async () => {
      const report = await deliver({ nexthop: `[127.0.0.1]:${peer.port}`, more: false });
      return outcomeLines(report)[0]!.replace(/^(\S+ \S+) \S+ /, "$1 ").replaceAll(folder, "DIR")
        .replaceAll(`127.0.0.1:${issuer.server.port}`, "ISSUER");
    },
    close: () => agent.close(),
  };
}

const SENT = "sent 2.0.0 (250 2.0.0 Ok: queued as 12345)";
const bearer = (token: string) =>
  `AUTH OAUTHBEARER n,a=ann@example.com,^Ahost=127.0.0.1^Aport=${peer.port}^Aauth=Bearer ${token}^A^A`;
const failed = (why: string) =>
  `deferred 4.7.0 (SASL authentication failed; cannot authenticate to server 127.0.0.1[127.0.0.1]: no token: ${why})`;

test("a token is fetched once, used until shortly before its end, and fetched anew; it is kept for the service alone", async () => {
  const { send, close } = client(writeFile());
  expect([await send(), await send()]).toEqual([SENT, SENT]);
  expect(issuer.forms).toEqual([{
    client_id: "client",
    client_secret: "sesame",
    grant_type: "refresh_token",
    refresh_token: "refresh0",
  }]);
  now += 3600_000 - 59_000;
  expect(await send()).toBe(SENT);
  expect(peer.auth).toEqual([bearer("token1"), bearer("token1"), bearer("token2")]);
  const kept = join(folder, "data/oauth");
  expect(statSync(kept).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(kept)) expect(statSync(join(kept, name)).mode & 0o777).toBe(0o600);
  await close();
});

test("workers share tokens: many that need one at a time ask once, and a refresh token for one use is used once", async () => {
  issuer.rotates = true;
  const path = writeFile();
  const workers = Array.from({ length: 4 }, () => client(path));
  expect(await Promise.all(workers.map(({ send }) => send()))).toEqual([SENT, SENT, SENT, SENT]);
  expect(issuer.forms.length).toBe(1);
  now += 3600_000;
  expect(await Promise.all(workers.map(({ send }) => send()))).toEqual([SENT, SENT, SENT, SENT]);
  expect(issuer.forms.map((form) => form.refresh_token)).toEqual(["refresh0", "refresh1"]);
  for (const { close } of workers) await close();
});

test("a token that was revoked before its end makes mail wait once, and the next attempt has another one", async () => {
  const { send, close } = client(writeFile(), { smtp_sasl_auth_soft_bounce: false });
  expect(await send()).toBe(SENT);
  good = (token) => token !== "token1";
  expect(await send()).toBe(
    "deferred 4.7.8 (SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 refused)",
  );
  expect(await send()).toBe(SENT);
  expect(peer.auth.at(-1)).toBe(bearer("token2"));
  await close();
});

test("a refresh token that was revoked makes mail wait, and says what to do; the issuer is not asked at every attempt", async () => {
  issuer.refreshToken = "another";
  const { send, close } = client(writeFile(), { smtp_sasl_auth_soft_bounce: false });
  const text = failed('ISSUER: invalid_grant: "mta oauth login DIR/gmail.json" gets a new one');
  expect([await send(), await send(), await send()]).toEqual([text, text, text]);
  expect(issuer.forms.length).toBe(1);
  now += 30_000;
  issuer.refreshToken = "refresh0";
  expect(await send()).toBe(SENT);
  await close();
});

test("an issuer in trouble, or unreachable, makes mail wait; a token that is still good goes on", async () => {
  const path = writeFile();
  const { send, close } = client(path);
  expect(await send()).toBe(SENT);
  issuer.broken = new Response("", { status: 503 });
  expect(await send()).toBe(SENT);
  now += 3600_000;
  expect(await send()).toBe(failed("ISSUER: answer 503"));
  await issuer.server.stop(true);
  now += 30_000;
  expect(await send()).toMatch(/^deferred 4\.7\.0 .*no token: 127\.0\.0\.1:\d+: Connection refused\)$/);
  await close();
});

test("client credentials need no refresh token; without one where it is needed, mail waits and says so", async () => {
  const credentials = client(writeFile({ grant: "client_credentials", scope: "mail", refresh_token: "" }));
  expect(await credentials.send()).toBe(SENT);
  expect(issuer.forms[0]).toMatchObject({ grant_type: "client_credentials", scope: "mail" });
  await credentials.close();
  rmSync(join(folder, "data/oauth"), { recursive: true });
  const none = client(writeFile({ refresh_token: "" }));
  expect(await none.send()).toBe(failed('no refresh token yet: "mta oauth login DIR/gmail.json" gets one'));
  await none.close();
});

test("a token is no password: where only those are taken, nothing is sent", async () => {
  const { send, close } = client(writeFile(), { smtp_sasl_mechanism_filter: "plain, login" });
  expect(await send()).toContain("no mechanism available");
  expect(peer.auth).toEqual([]);
  await close();
});

test.each<[string, string]>([
  ["{", "no JSON"],
  ["[]", "no JSON object"],
  ["{}", '"token_endpoint" is missing'],
  ['{"token_endpoint":"http://a.example/","client_id":"x"}', '"http://a.example/" is no https: URL'],
  ['{"token_endpoint":"https://a.example/","client_id":"x","secret":"SECRET"}', 'unknown field "secret"'],
  [
    '{"token_endpoint":"https://a.example/","client_id":"x","grant":"password"}',
    '"grant" is "refresh_token" or "client_credentials"',
  ],
])("a file %s makes mail wait: %s", async (text, why) => {
  const path = join(folder, "bad.json");
  writeFileSync(path, text);
  const { send, close } = client(path);
  expect(await send()).toBe(failed(`DIR/bad.json: ${why}`));
  await close();
});

test("what was remembered and is damaged is forgotten, not trusted", async () => {
  const { send, close } = client(writeFile());
  expect(await send()).toBe(SENT);
  const kept = join(folder, "data/oauth");
  const name = readdirSync(kept).find((each) => !each.endsWith(".lock"))!;
  expect(existsSync(join(kept, `${name}.tmp`))).toBe(false);
  expect(JSON.parse(readFileSync(join(kept, name), "utf8"))).toMatchObject({ access_token: "token1" });
  writeFileSync(join(kept, name), '{"access_token": 7');
  expect(await send()).toBe(SENT);
  expect(peer.auth.at(-1)).toBe(bearer("token2"));
  await close();
});
