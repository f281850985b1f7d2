// `mta oauth`: from nobody's token to one that a delivery of the compiled program logs in with.
import { afterAll, beforeAll, expect } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finished, freePort, runMta, startServer } from "../../kit/server.ts";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY } from "../../kit/server.ts";

const { test } = withPeers(import.meta.path, "dist/mta");

let directory = "";
let issuer: ReturnType<typeof Bun.serve>;
const forms: Record<string, string>[] = [];
let refuses = false;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "mta-oauth-"));
  mkdirSync(join(directory, "data"));
  writeFileSync(join(directory, "main.cf"), "data_directory = $config_directory/data\n");
  issuer = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      forms.push(Object.fromEntries(new URLSearchParams(await request.text())));
      return refuses
        ? Response.json({ error: "invalid_grant" }, { status: 400 })
        : Response.json({ access_token: "ACCESS", refresh_token: "REFRESH", expires_in: 3600 });
    },
  });
  const base = `http://127.0.0.1:${issuer.port}`;
  writeFileSync(
    join(directory, "relay.json"),
    JSON.stringify({
      token_endpoint: `${base}/token`,
      authorization_endpoint: `${base}/agree`,
      client_id: "client",
      client_secret: "sesame",
      scope: "mail.send offline",
    }),
  );
});
afterAll(async () => {
  await issuer.stop(true);
  rmSync(directory, { recursive: true });
});

const oauth = (...args: readonly string[]) =>
  runMta([
    "-c",
    directory,
    "oauth",
    ...args.map((arg) => arg === "FILE" ? join(directory, "relay.json") : arg),
  ]);

/** Runs `login` and answers with what `paste` makes of the address that it shows. */
function login(paste: (shown: URL) => string): Promise<Finished> {
  return new Promise((done) => {
    const child = spawnTied(BINARY, [
      "-c",
      directory,
      "oauth",
      "login",
      join(directory, "relay.json"),
      "--json",
    ], {});
    let [stdout, stderr, asked] = ["", "", false];
    child.stdout!.on("data", (chunk) => stdout += chunk);
    child.stderr!.on("data", (chunk) => {
      stderr += chunk;
      const shown = /^(http\S+)$/m.exec(stderr)?.[1];
      if (asked || shown === undefined || !stderr.includes("Then paste")) return;
      asked = true;
      child.stdin!.end(`${paste(new URL(shown))}\n`);
    });
    child.on("close", (code) => done({ code, stdout, stderr }));
  });
}

const redirected = (shown: URL, more: Readonly<Record<string, string>>) => {
  const address = new URL(shown.searchParams.get("redirect_uri")!);
  for (const [name, value] of Object.entries(more)) address.searchParams.set(name, value);
  return address.href;
};

test("without an agreement there is no token, and what to do is said", async () => {
  expect(await oauth("test", "FILE")).toEqual({
    code: 1,
    stdout: "",
    stderr: `mta oauth: fatal: no refresh token yet: "mta oauth login ${directory}/relay.json" gets one\n`,
  });
});

test("an answer of another attempt, or a refusal, is no agreement", async () => {
  const other = await login((shown) => redirected(shown, { code: "CODE", state: "another" }));
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("belongs to another attempt")]);
  const denied = await login((shown) => redirected(shown, { error: "access_denied" }));
  expect([denied.code, denied.stderr]).toEqual([1, expect.stringContaining("not agreed to: access_denied")]);
  expect(forms).toEqual([]);
});

test("an agreement gives a token that lasts, kept for the service alone, and told to nobody", async () => {
  let challenge = "";
  const done = await login((shown) => {
    const asked = shown.searchParams;
    challenge = asked.get("code_challenge")!;
    expect([asked.get("client_id"), asked.get("scope"), asked.get("code_challenge_method")])
      .toEqual(["client", "mail.send offline", "S256"]);
    return redirected(shown, { code: "CODE", state: asked.get("state")! });
  });
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({ file: join(directory, "relay.json"), seconds: 3600 });
  expect(done.stdout + done.stderr).not.toMatch(/ACCESS|REFRESH|sesame/);
  const { code_verifier: verifier, ...form } = forms.at(-1)!;
  expect(form).toEqual({
    client_id: "client",
    client_secret: "sesame",
    grant_type: "authorization_code",
    code: "CODE",
    redirect_uri: "http://127.0.0.1/",
  });
  expect(new Bun.CryptoHasher("sha256").update(verifier!).digest("base64url")).toBe(challenge);
  const kept = join(directory, "data/oauth");
  expect(readdirSync(kept).map((name) => statSync(join(kept, name)).mode & 0o777)).toEqual([0o600, 0o600]);
});

test("test asks the issuer, also while a token is good", async () => {
  expect(await oauth("test", "FILE")).toEqual({
    code: 0,
    stdout: "there is a token, good for 3600 seconds\n",
    stderr: "",
  });
  expect(forms.at(-1)).toMatchObject({ grant_type: "refresh_token", refresh_token: "REFRESH" });
  refuses = true;
  expect(await oauth("test", "FILE")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("invalid_grant"),
  });
});

test("the running service logs in at a relay with a token that its workers have fetched", async () => {
  refuses = false;
  const relay = await startSmtpPeer({
    ehlo: ["AUTH XOAUTH2"],
    auth: (line) =>
      line === "AUTH XOAUTH2 user=ann@example.com^Aauth=Bearer ACCESS^A^A" ? "235 2.7.0 ok" : "535 5.7.8 no",
  });
  const http = await freePort();
  // The folder is root's alone, where the tests are root: what is in it is lent to the workers.
  const secret = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const tokens = secret(
    "relay-token.json",
    JSON.stringify({
      token_endpoint: `http://127.0.0.1:${issuer.port}/token`,
      client_id: "client",
      client_secret: `file:${secret("relay-secret", "sesame\n")}`,
      refresh_token: "REFRESH",
    }),
  );
  const passwords = secret("passwords", `[127.0.0.1]:${relay.port} ann@example.com:oauth:${tokens}\n`);
  const server = await startServer({
    mainCf: [
      `http_listen = 127.0.0.1:${http}`,
      `relayhost = [127.0.0.1]:${relay.port}`,
      "smtp_sasl_auth_enable = yes",
      "smtp_sasl_security_options = noanonymous",
      `smtp_sasl_password_maps = texthash:${passwords}`,
    ],
  });
  const smtp = await talk(server.port);
  await smtp.say("EHLO client.example.com");
  await smtp.say("MAIL FROM:<ann@example.com>");
  await smtp.say("RCPT TO:<bob@elsewhere.example>");
  await smtp.say("DATA");
  expect(await smtp.say("Subject: x\r\n\r\nhello\r\n.")).toStartWith("250 ");
  smtp.end();
  await server.logged(/to=<bob@elsewhere\.example>, relay=127\.0\.0\.1.*status=sent/);
  expect(relay.mails.length).toBe(1);
  expect(forms.at(-1)).toMatchObject({ client_secret: "sesame", refresh_token: "REFRESH" });
  expect(server.log()).not.toMatch(/ACCESS|REFRESH|sesame/);
  const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
  const end = /^mta_oauth_token_expiry_timestamp_seconds\{file="relay-token\.json"\} (\d+)$/m.exec(metrics)
    ?.[1];
  expect(Math.abs(Number(end) - Date.now() / 1000 - 3600)).toBeLessThan(120);
  await server.stop();
  await relay.close();
}, 60_000);

test("wrong words are told apart from wrong files", async () => {
  expect((await oauth("drop", "FILE")).code).toBe(64);
  expect((await oauth("test")).code).toBe(64);
  expect((await oauth("test", "relay.json")).code).toBe(64);
  expect((await oauth("test", "/nonexistent/relay.json")).code).toBe(1);
});
