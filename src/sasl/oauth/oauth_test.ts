import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { askHttp, type HttpRequest, type HttpResult, isSafeUrl } from "../../platform/socket/http_client.ts";
import { type OAuthParameters, readOAuth } from "./oauth_settings.ts";
import { createTokenChecker } from "./token_checker.ts";

const ISSUER = "https://issuer.example";
const AUDIENCE = "mail.example.com";
const URL_OF_KEYS = "https://issuer.example/keys";
const NOW = 1_800_000_000_000;

let folder = "";
let one: { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey };
let two: typeof one;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "oauth-"));
  [one, two] = [await generateKeyPair("ES256", { extractable: true }), await generateKeyPair("ES256")];
});
afterAll(() => rmSync(folder, { recursive: true }));

const NONE: OAuthParameters = {
  sasl_oauth_audience: "",
  sasl_oauth_introspection: "",
  sasl_oauth_introspection_login: "",
  sasl_oauth_issuer: "",
  sasl_oauth_keys: "",
  sasl_oauth_user_claim: "email",
};
const SIGNED: OAuthParameters = {
  ...NONE,
  sasl_oauth_issuer: ISSUER,
  sasl_oauth_audience: `${AUDIENCE} other.example.com`,
  sasl_oauth_keys: URL_OF_KEYS,
};

async function keySet(...keys: readonly { readonly id: string; readonly key: CryptoKey }[]): Promise<string> {
  return JSON.stringify({
    keys: await Promise.all(
      keys.map(async ({ id, key }) => ({ ...await exportJWK(key), kid: id, use: "sig" })),
    ),
  });
}

function signed(claims: JWTPayload = {}, more: { id?: string; key?: CryptoKey } = {}): Promise<string> {
  const seconds = NOW / 1000;
  return new SignJWT({
    iss: ISSUER,
    aud: AUDIENCE,
    exp: seconds + 600,
    email: "Ann@Example.com",
    ...claims,
  }).setProtectedHeader({ alg: "ES256", kid: more.id ?? "one" }).sign(more.key ?? one.privateKey);
}

/** A web server in memory: what it answers, and how often it was asked. */
class Web {
  readonly asked: HttpRequest[] = [];
  answer: (request: HttpRequest) => HttpResult = () => ({
    is: "trouble",
    why: "issuer.example: Connection refused",
  });

  readonly ask = async (request: HttpRequest): Promise<HttpResult> => {
    this.asked.push(request);
    return this.answer(request);
  };
}

const text = (value: string, status = 200): HttpResult => ({ is: "answer", status, text: value });

function checker(settings: OAuthParameters, web: Web, now: () => number = () => NOW) {
  const read = readOAuth(settings);
  if (read === undefined || "why" in read) throw new Error(read?.why ?? "no tokens");
  return createTokenChecker(read, { ask: web.ask, files: {}, now });
}

describe("a token that is signed", () => {
  async function verdict(token: string, username = ""): Promise<unknown> {
    const web = new Web();
    const keys = await keySet({ id: "one", key: one.publicKey });
    web.answer = () => text(keys);
    return await checker(SIGNED, web)(token, username);
  }

  const ACCEPTED = { is: "accepted", username: "ann@example.com" };

  test("logs in the user that it names, and nobody else", async () => {
    expect(await verdict(await signed())).toEqual(ACCEPTED);
    expect(await verdict(await signed(), "ANN@example.com")).toEqual(ACCEPTED);
    expect(await verdict(await signed(), "bob@example.com")).toEqual({ is: "refused" });
    expect(await verdict(await signed({ aud: ["x", "other.example.com"] }))).toEqual(ACCEPTED);
    expect(await verdict(await signed({ exp: NOW / 1000 - 30 }))).toEqual(ACCEPTED);
  });

  test.each<[string, JWTPayload]>([
    ["has expired", { exp: NOW / 1000 - 61 }],
    ["never expires", { exp: undefined }],
    ["is not valid yet", { nbf: NOW / 1000 + 120 }],
    ["is of another issuer", { iss: "https://other.example" }],
    ["is for another audience", { aud: "web.example.com" }],
    ["is for nobody", { aud: undefined }],
    ["names no user", { email: undefined }],
    ["names something else", { email: ["ann@example.com"] }],
    ["names a user in two lines", { email: "ann@example.com\nx" }],
    ["names an address that nobody has proved", { email_verified: false }],
  ])("is refused when it %s", async (_, claims) => {
    expect(await verdict(await signed(claims))).toEqual({ is: "refused" });
  });

  test("is refused when somebody else has signed it, or nobody, or with what is public", async () => {
    expect(await verdict(await signed({}, { key: two.privateKey }))).toEqual({ is: "refused" });
    const unsigned = new UnsecuredJWT({ email: "ann@example.com" }).setIssuer(ISSUER).setAudience(AUDIENCE);
    expect(await verdict(unsigned.setExpirationTime("1h").encode())).toEqual({ is: "refused" });
    const shared = new TextEncoder().encode(await exportSPKI(one.publicKey));
    const forged = await new SignJWT({
      iss: ISSUER,
      aud: AUDIENCE,
      exp: NOW / 1000 + 60,
      email: "ann@example.com",
    })
      .setProtectedHeader({ alg: "HS256", kid: "one" }).sign(shared);
    expect(await verdict(forged)).toEqual({ is: "refused" });
    for (const nonsense of ["", "x", "a.b.c", "eyJhbGciOiJFUzI1NiJ9.e30.AA"]) {
      expect(await verdict(nonsense)).toEqual({ is: "refused" });
    }
  });
});

describe("the keys", () => {
  test("may stand in a file", async () => {
    const path = join(folder, "keys.json");
    writeFileSync(path, await keySet({ id: "one", key: one.publicKey }));
    const check = checker({ ...SIGNED, sasl_oauth_keys: path }, new Web());
    expect(await check(await signed(), "")).toMatchObject({ is: "accepted" });
    const missing = checker({ ...SIGNED, sasl_oauth_keys: `${path}.none` }, new Web());
    expect(await missing(await signed(), "")).toEqual({
      is: "trouble",
      why: `sasl_oauth_keys: open ${path}.none: No such file or directory`,
    });
  });

  test("are fetched once, and again when one is not among them, but not for every stranger", async () => {
    const web = new Web();
    let now = NOW;
    const check = checker(SIGNED, web, () => now);
    const before = await keySet({ id: "one", key: one.publicKey });
    const after = await keySet({ id: "one", key: one.publicKey }, { id: "two", key: two.publicKey });
    web.answer = () => text(before);
    await Promise.all([check(await signed(), ""), check(await signed(), "")]);
    expect(web.asked.length).toBe(1);
    const newer = await signed({}, { id: "two", key: two.privateKey });
    web.answer = () => text(after);
    for (let i = 0; i < 5; i++) expect(await check(newer, "")).toEqual({ is: "refused" });
    expect(web.asked.length).toBe(1);
    now += 30_000;
    expect(await check(newer, "")).toMatchObject({ is: "accepted" });
    expect(web.asked.length).toBe(2);
  });

  test("that cannot be fetched are a temporary trouble, and old ones go on meanwhile", async () => {
    const web = new Web();
    let now = NOW;
    const check = checker(SIGNED, web, () => now);
    expect(await check(await signed(), "")).toEqual({
      is: "trouble",
      why: "sasl_oauth_keys: issuer.example: Connection refused",
    });
    now += 30_000;
    web.answer = () => text("<html>");
    expect(await check(await signed(), "")).toEqual({
      is: "trouble",
      why: "sasl_oauth_keys: no JSON Web Key Set",
    });
    now += 30_000;
    const keys = await keySet({ id: "one", key: one.publicKey });
    web.answer = () => text(keys);
    const lasting = await signed({ exp: NOW / 1000 + 7200 });
    expect(await check(lasting, "")).toMatchObject({ is: "accepted" });
    now += 600_000;
    web.answer = () => text("", 503);
    expect(await check(lasting, "")).toMatchObject({ is: "accepted" });
    expect(web.asked.length).toBe(4);
  });
});

describe("a token whose issuer is asked", () => {
  const ASKED: OAuthParameters = {
    ...NONE,
    sasl_oauth_introspection: "https://issuer.example/introspect",
    sasl_oauth_introspection_login: "mail:secret",
    sasl_oauth_user_claim: "username",
  };

  test("is good when the issuer says so, for whom it says so", async () => {
    const web = new Web();
    const check = checker({ ...ASKED, sasl_oauth_audience: AUDIENCE }, web);
    const says = async (answer: object, username = "") => {
      web.answer = () => text(JSON.stringify(answer));
      return (await check("token", username)).is;
    };
    const good = { active: true, username: "ann", aud: [AUDIENCE] };
    expect(await says(good)).toBe("accepted");
    expect(await says(good, "bob")).toBe("refused");
    expect(await says({ ...good, active: false })).toBe("refused");
    expect(await says({ ...good, active: "true" })).toBe("refused");
    expect(await says({ ...good, aud: "other" })).toBe("refused");
    expect(await says({ active: true, aud: AUDIENCE })).toBe("refused");
    expect(await says([good])).toBe("trouble");
    expect(web.asked[0]).toMatchObject({
      url: "https://issuer.example/introspect",
      form: { token: "token" },
      basic: "mail:secret",
    });
  });

  test("tokens by the thousand are not questions by the thousand", async () => {
    const answer = Promise.withResolvers<HttpResult>();
    let [asked, most] = [0, 0];
    const read = readOAuth(ASKED);
    if (read === undefined || "why" in read) throw new Error("no tokens");
    const check = createTokenChecker(read, {
      ask: async () => {
        most = Math.max(most, ++asked);
        const result = await answer.promise;
        asked--;
        return result;
      },
      files: {},
      now: () => NOW,
    });
    const verdicts = Array.from({ length: 300 }, () => check("t", ""));
    expect(await verdicts[299]!).toEqual({
      is: "trouble",
      why: "sasl_oauth_introspection: too many tokens to ask about at a time",
    });
    answer.resolve(text('{"active":false}'));
    const ends = await Promise.all(verdicts);
    expect(ends.filter(({ is }) => is === "refused").length).toBe(108);
    expect(most).toBe(8);
  });

  test("an issuer that does not answer as it should is a temporary trouble", async () => {
    const web = new Web();
    const check = checker(ASKED, web);
    expect(await check("t", "")).toMatchObject({ is: "trouble" });
    web.answer = () => text("{}", 401);
    expect(await check("t", "")).toEqual({ is: "trouble", why: "sasl_oauth_introspection: answer 401" });
    const lost = checker({ ...ASKED, sasl_oauth_introspection_login: `file:${folder}/none` }, web);
    expect((await lost("t", "")).is).toBe("trouble");
  });
});

test.each<[Partial<OAuthParameters>, string | undefined]>([
  [{}, undefined],
  [
    { sasl_oauth_keys: "/etc/keys" },
    "sasl_oauth_keys needs sasl_oauth_issuer and sasl_oauth_audience: tokens for others are signed by the same keys",
  ],
  [
    { ...SIGNED, sasl_oauth_keys: "http://issuer.example/keys" },
    'sasl_oauth_keys: "http://issuer.example/keys" is neither a file (/...) nor an https: URL',
  ],
  [
    { ...SIGNED, sasl_oauth_introspection: "https://x.example" },
    "sasl_oauth_keys and sasl_oauth_introspection are both set: one decides",
  ],
  [
    { sasl_oauth_introspection: "issuer.example" },
    'sasl_oauth_introspection: "issuer.example" is no https: URL',
  ],
])("settings %j: %s", (settings, why) => {
  const read = readOAuth({ ...NONE, ...settings });
  expect(read !== undefined && "why" in read ? read.why : undefined).toBe(why);
});

describe("askHttp()", () => {
  let server: ReturnType<typeof Bun.serve>;
  let url: string;
  beforeAll(() => {
    server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      routes: {
        "/form": async (request) =>
          new Response(`${request.headers.get("authorization")} ${await request.text()}`, { status: 201 }),
        "/long": () => new Response("x".repeat(2000)),
        "/away": () => Response.redirect("http://127.0.0.1:1/", 302),
        "/silent": () => new Promise<Response>(() => {}),
      },
    });
    url = `http://127.0.0.1:${server.port}`;
  });
  afterAll(() => server.stop(true));

  const limits = { timeout: 10_000, limit: 1000 };

  test("sends a form, and reads no more than it should, for no longer, from nobody else", async () => {
    expect(await askHttp({ ...limits, url: `${url}/form`, form: { a: "b c" }, basic: "user:pass" })).toEqual({
      is: "answer",
      status: 201,
      text: "Basic dXNlcjpwYXNz a=b+c",
    });
    expect(await askHttp({ ...limits, url: `${url}/long` })).toMatchObject({
      is: "trouble",
      why: expect.stringContaining("more than 1000 bytes"),
    });
    expect(await askHttp({ ...limits, url: `${url}/away` })).toMatchObject({ is: "trouble" });
    expect(await askHttp({ ...limits, url: `${url}/silent`, timeout: 100 })).toMatchObject({
      is: "trouble",
      why: expect.stringContaining("no answer in time"),
    });
    expect(await askHttp({ ...limits, url: "http://127.0.0.1:1/?secret" })).toEqual({
      is: "trouble",
      why: expect.not.stringContaining("secret"),
    });
  });

  test.each([
    ["https://a.example/x", true],
    ["http://localhost:1/x", true],
    ["http://127.0.0.1/", true],
    ["http://[::1]/", true],
    ["http://a.example/", false],
    ["http://127.0.0.1.a.example/", false],
    ["ftp://a.example/", false],
    ["a.example", false],
  ])("isSafeUrl(%s) is %p", (text, safe) => expect(isSafeUrl(text)).toBe(safe));
});
