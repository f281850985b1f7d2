// smtpd_sasl_type = internal in the compiled program: users made by `mta user` log in and may relay, over every mechanism.
import { expect } from "bun:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SelfSigned, selfSigned } from "../../kit/memory/self_signed.ts";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { type Talk, talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { outcomeLines, testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { createOpenTables } from "../../../src/rewrite/open_tables.ts";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { oauthBearerClient, xoauth2Client } from "../../../src/sasl/mechanism/oauth.ts";
import { cramMd5Client } from "../../../src/sasl/mechanism/cram_md5.ts";
import type { ClientLogin, ClientScript } from "../../../src/sasl/mechanism/exchange.ts";
import { loginClient } from "../../../src/sasl/mechanism/login.ts";
import { plainClient } from "../../../src/sasl/mechanism/plain.ts";
import { scramClient } from "../../../src/sasl/mechanism/scram.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta", "openssl");

let own: SelfSigned;
let pair: Awaited<ReturnType<typeof generateKeyPair>>;
let server: Server;

beforeAll(async () => {
  own = selfSigned("mail.example.com");
  pair = await generateKeyPair("ES256", { extractable: true });
  const keys = JSON.stringify({ keys: [{ ...await exportJWK(pair.publicKey), kid: "one" }] });
  server = await startServer({
    files: { "cert.pem": own.certificate, "key.pem": own.key, "keys.json": keys },
    mainCf: [
      "smtpd_tls_security_level = may",
      "smtpd_tls_cert_file = $config_directory/cert.pem",
      "smtpd_tls_key_file = $config_directory/key.pem",
      "smtpd_sasl_auth_enable = yes",
      "smtpd_sasl_type = internal",
      "smtpd_sasl_local_domain = example.com",
      "sasl_mechanisms = PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS OAUTHBEARER XOAUTH2",
      "sasl_oauth_issuer = https://issuer.example",
      "sasl_oauth_audience = mail.example.com",
      "sasl_oauth_keys = $config_directory/keys.json",
      "mynetworks = 192.0.2.1",
      "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
    ],
  });
  await user("add", "ann@example.com", "her secret");
  await settles("ann", "her secret", "235");
}, 60_000);
afterAll(() => server?.stop());

async function user(action: string, name: string, password: string): Promise<void> {
  const args = ["-c", server.configDirectory, "user", action, name];
  expect(await runMta(args, { input: `${password}\n` })).toEqual({ code: 0, stdout: "", stderr: "" });
}

const ann = (secret = "her secret"): ClientLogin => ({ username: "ann", secret, authorizationId: "" });

/** Lines and replies over a socket that has turned to TLS. */
function over(socket: TLSSocket): Pick<Talk, "say"> {
  let text = "";
  let waiting: ((reply: string) => void) | undefined;
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    const match = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(text);
    if (match === null) return;
    text = text.slice(match[0].length);
    waiting?.(match[0].trimEnd().replaceAll("\r\n", "\n"));
  });
  return {
    say: (line) =>
      new Promise((resolve) => {
        waiting = resolve;
        socket.write(`${line}\r\n`);
      }),
  };
}

/** Runs a client's side over the wire; answers the last reply. */
async function logIn({ say }: Pick<Talk, "say">, mechanism: string, client: ClientScript): Promise<string> {
  const words = async (challenge: Buffer) => {
    const next = await client.next(challenge);
    if (next.done === true) throw new Error(next.value);
    const { response } = next.value;
    return response === undefined ? undefined : response.toString("base64");
  };
  const first = await words(Buffer.alloc(0));
  let reply = await say(`AUTH ${mechanism}${first === undefined ? "" : ` ${first || "="}`}`);
  while (reply.startsWith("334 ")) {
    reply = await say((await words(Buffer.from(reply.slice(4), "base64"))) ?? "");
  }
  return reply;
}

/** The code that a login with PLAIN ends with. */
async function passes(name: string, secret: string): Promise<string> {
  const smtp = await talk(server.port);
  await smtp.say("EHLO client.example.com");
  const reply = await logIn(smtp, "PLAIN", plainClient({ username: name, secret, authorizationId: "" }));
  smtp.end();
  return reply.slice(0, 3);
}

/** The file is looked at once a second: waits until a login ends as it should. */
async function settles(name: string, secret: string, want: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (await passes(name, secret) !== want && performance.now() < deadline) await Bun.sleep(100);
  expect(await passes(name, secret)).toBe(want);
}

/** What becomes of mail for a stranger after a login. */
async function relays({ say }: Pick<Talk, "say">): Promise<string> {
  await say("MAIL FROM:<ann@example.com>");
  return (await say("RCPT TO:<bob@elsewhere.example>")).slice(0, 3);
}

const SUCCESS = "235 2.7.0 Authentication successful";
const FAILURE = "535 5.7.8 Error: authentication failed:";

const scram = (secret?: string) =>
  scramClient(ann(secret), { binding: undefined, couldBind: false, nonce: "n1" });

describe("in the clear", () => {
  test.each<[string, (secret?: string) => ClientScript]>([
    ["PLAIN", (secret) => plainClient(ann(secret))],
    ["LOGIN", (secret) => loginClient(ann(secret))],
    ["CRAM-MD5", (secret) => cramMd5Client(ann(secret))],
    ["SCRAM-SHA-256", scram],
  ])("%s lets a user in who may relay then, and nobody else", async (mechanism, client) => {
    const smtp = await talk(server.port);
    expect(await smtp.say("EHLO client.example.com")).toContain(
      "250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 OAUTHBEARER XOAUTH2\n",
    );
    expect(await relays(smtp)).toBe("554");
    await smtp.say("RSET");
    expect(await logIn(smtp, mechanism, client("wrong"))).toStartWith(FAILURE);
    expect(await logIn(smtp, mechanism, client())).toBe(SUCCESS);
    expect(await relays(smtp)).toBe("250");
    smtp.end();
    await server.logged(
      new RegExp(
        `warning: \\S+\\[127\\.0\\.0\\.1\\]: SASL ${mechanism} authentication failed: .*sasl_username=ann`,
      ),
    );
    await server.logged(new RegExp(`client=\\S+, sasl_method=${mechanism}, sasl_username=ann@example\\.com`));
  });

  test("a user who is not there hears what anybody hears", async () => {
    const smtp = await talk(server.port);
    await smtp.say("EHLO client.example.com");
    const nobody = { username: "nobody", secret: "x", authorizationId: "" };
    expect(await logIn(smtp, "PLAIN", plainClient(nobody))).toBe(
      await logIn(smtp, "PLAIN", plainClient(ann("x"))),
    );
    smtp.end();
  });
});

describe("tokens", () => {
  const token = (audience = "mail.example.com") =>
    new SignJWT({ email: "ann@example.com" }).setIssuer("https://issuer.example").setAudience(audience)
      .setExpirationTime("10m").setProtectedHeader({ alg: "ES256", kid: "one" }).sign(pair.privateKey);
  const login = (secret: string) => ({ username: "ann@example.com", secret, authorizationId: "" });

  test.each<[string, (secret: string) => ClientScript]>([
    ["OAUTHBEARER", (secret) => oauthBearerClient(login(secret), "mail.example.com", 587)],
    ["XOAUTH2", (secret) => xoauth2Client(login(secret))],
  ])("%s: one for this server lets its user in, one for another does not", async (mechanism, client) => {
    const smtp = await talk(server.port);
    await smtp.say("EHLO client.example.com");
    expect(await logIn(smtp, mechanism, client(await token("other.example.com")))).toStartWith(FAILURE);
    expect(await logIn(smtp, mechanism, client(await token()))).toBe(SUCCESS);
    expect(await relays(smtp)).toBe("250");
    smtp.end();
  });
});

describe("over TLS", () => {
  async function encrypted(): Promise<
    { readonly tls: TLSSocket; readonly smtp: Pick<Talk, "say">; readonly hello: string }
  > {
    const plain = await talk(server.port);
    await plain.say("EHLO client.example.com");
    expect(await plain.say("STARTTLS")).toStartWith("220 ");
    plain.socket.removeAllListeners("data");
    const tls = connectTls({ socket: plain.socket, ca: own.certificate, servername: "mail.example.com" });
    await new Promise<void>((resolve, reject) => tls.once("secureConnect", resolve).once("error", reject));
    const smtp = over(tls);
    return { tls, smtp, hello: await smtp.say("EHLO client.example.com") };
  }

  const bound = (data: Buffer) =>
    scramClient(ann(), { binding: { type: "tls-exporter", data }, couldBind: true, nonce: "n2" });
  const exported = (tls: TLSSocket) =>
    tls.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));

  test("SCRAM-SHA-256-PLUS is tied to this connection and to no other", async () => {
    const [one, other] = [await encrypted(), await encrypted()];
    expect(one.hello).toContain("SCRAM-SHA-256-PLUS");
    expect(await logIn(one.smtp, "SCRAM-SHA-256-PLUS", bound(exported(other.tls)))).toStartWith(FAILURE);
    expect(await logIn(one.smtp, "SCRAM-SHA-256-PLUS", bound(exported(one.tls)))).toBe(SUCCESS);
    expect(await relays(one.smtp)).toBe("250");
    one.tls.destroy();
    other.tls.destroy();
  });

  test("a client that could bind, and was told that the server cannot, is turned away", async () => {
    const { tls, smtp } = await encrypted();
    const misled = scramClient(ann(), { binding: undefined, couldBind: true, nonce: "n3" });
    expect(await logIn(smtp, "SCRAM-SHA-256", misled)).toBe(`${FAILURE} SCRAM: channel binding was stripped`);
    tls.destroy();
  });
});

test("our own client logs in at our own server with the best that both know", async () => {
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const secret = join(server.configDirectory, "secret");
  writeFileSync(secret, "her secret\n");
  const { agent, deliver } = testAgent({
    smtp_tls_security_level: "encrypt",
    smtp_tls_fingerprint_digest: "sha256",
    smtp_sasl_auth_enable: true,
    smtp_sasl_password_maps: `inline:{ 127.0.0.1=ann:file:${secret} }`,
    smtp_sasl_tls_security_options: "noplaintext, mutual_auth",
  }, { rewriting: { openTables, find: () => ({ answer: { is: "absent" }, key: "", extension: "" }) } });
  const report = await deliver({ nexthop: `[127.0.0.1]:${server.port}`, to: ["bob@elsewhere.example"] });
  await agent.close();
  expect(outcomeLines(report)[0]).toStartWith("sent 2.0.0");
  await server.logged(/sasl_method=SCRAM-SHA-256-PLUS, sasl_username=ann@example\.com/);
});

test(
  "a changed password counts at once, a removed user is gone, hashes of other programs are taken",
  async () => {
    await user("add", "bob@example.com", "first");
    await settles("bob", "first", "235");
    await user("passwd", "bob@example.com", "second");
    await settles("bob", "second", "235");
    expect(await passes("bob", "first")).toBe("535");
    await runMta(["-c", server.configDirectory, "user", "remove", "bob@example.com"]);
    await settles("bob", "second", "535");
    const dovecot =
      "carol {SHA512-CRYPT}$6$4Zf0BgNm/hdDFvhS$DGsDL6M1mVC7jrNudGIIH4BQY8.2ie69xcY/HXTABViK1Gx2IM93nxRQMZfmmJWJCaZDtLDhmD2mV5O/R3QFl.\n";
    const debian = "dora $y$j9T$F5Jx5fExrKuPp53xLKQ..1$3aqK/59sTsAUv8qtZW2VlrLuv2N1qy30K5G70wPsbc.\n";
    writeFileSync(join(server.configDirectory, "users"), dovecot + debian);
    await settles("carol", "Grüße, 1 Welt", "235");
    expect(await passes("dora", "Grüße, 1 Welt")).toBe("235");
    expect(await passes("dora", "Gruesse")).toBe("535");
  },
  60_000,
);
