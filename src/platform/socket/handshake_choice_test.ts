// What we say that was agreed on is what openssl(1) says that it has agreed on with us.
import { expect } from "bun:test";
import { withPeers } from "../../../test/kit/peers.ts";
import { type SelfSigned, selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { type Connection, listen, type Listener } from "./connection.ts";
import type { TlsFacts } from "./start_tls.ts";
import { createTlsContext } from "./tls_context.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl");

const MADE = new Map<string, SelfSigned>();
let listener: Listener;
let accepted = Promise.withResolvers<Connection>();
beforeAll(async () => {
  for (const algorithm of ["rsa", "ecdsa", "ecdsa-384", "ed25519"] as const) {
    MADE.set(algorithm, selfSigned("mail.example.com", algorithm));
  }
  listener = await listen({ host: "127.0.0.1", port: 0 }, { maxConnections: 9 }, (connection) => {
    accepted.resolve(connection);
    return { data() {}, end() {}, drain() {}, timeout() {}, close() {} };
  });
});
afterAll(() => listener.close());

/** A handshake of our server with openssl(1): our facts, and its words. */
async function shake(
  own: readonly string[],
  groups: readonly string[],
  options: readonly string[],
): Promise<readonly [TlsFacts, string]> {
  accepted = Promise.withResolvers();
  const at = `127.0.0.1:${listener.port}`;
  const client = Bun.spawn(["openssl", "s_client", "-connect", at, ...options], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const made = own.map((name) => MADE.get(name)!);
  const context = createTlsContext({
    ca: "",
    certificates: made.map(({ certificate }) => certificate),
    keys: made.map(({ key }) => key),
    groups,
  });
  const connection = await accepted.promise;
  const facts = await connection.startTls({ side: "server", context, timeout: 30_000, askCertificate: true });
  connection.end();
  const said = await new Response(client.stdout).text();
  connection.destroy();
  return [facts, said];
}

const POSTFIX_DEFAULT = ["X25519", "P-256", "P-521", "P-384"];
/** Keys that we have, what the client has, and what follows: the group, and what the server has signed with. */
const ROWS: readonly [string, readonly string[], string, string, string][] = [
  ["rsa", POSTFIX_DEFAULT, "", "X25519", "RSA-PSS (2048 bits) SHA256"],
  ["rsa", POSTFIX_DEFAULT, "-groups P-384:P-256", "ECDHE (prime256v1)", "RSA-PSS (2048 bits) SHA256"],
  ["rsa", ["P-384", "X25519"], "", "ECDHE (secp384r1)", "RSA-PSS (2048 bits) SHA256"],
  ["rsa", ["P-521"], "-groups X25519:P-521", "ECDHE (secp521r1)", "RSA-PSS (2048 bits) SHA256"],
  ["rsa", ["X25519"], "-sigalgs RSA-PSS+SHA512:RSA+SHA512", "X25519", "RSA-PSS (2048 bits) SHA512"],
  ["ecdsa", ["X25519"], "", "X25519", "ECDSA (prime256v1) SHA256"],
  ["ecdsa-384", ["X25519"], "", "X25519", "ECDSA (secp384r1) SHA384"],
  ["ed25519", ["X25519"], "", "X25519", "ED25519"],
  ["rsa ecdsa", ["X25519"], "", "X25519", "ECDSA (prime256v1) SHA256"],
  ["ecdsa rsa", ["X25519"], "-sigalgs RSA-PSS+SHA256:ECDSA+SHA256", "X25519", "ECDSA (prime256v1) SHA256"],
  ["rsa ecdsa", ["X25519"], "-sigalgs RSA-PSS+SHA256", "X25519", "RSA-PSS (2048 bits) SHA256"],
  [
    "rsa ecdsa-384",
    ["X25519"],
    "-sigalgs RSA-PSS+SHA256:ECDSA+SHA256",
    "X25519",
    "RSA-PSS (2048 bits) SHA256",
  ],
];

/** openssl(1)'s words for what we call otherwise. */
const TEMPORARY_KEYS: Readonly<Record<string, string>> = {
  "X25519": "X25519, 253 bits",
  "ECDHE (prime256v1)": "ECDH, prime256v1, 256 bits",
  "ECDHE (secp384r1)": "ECDH, secp384r1, 384 bits",
  "ECDHE (secp521r1)": "ECDH, secp521r1, 521 bits",
};

test.each(ROWS)("with %s and groups %j, a client with %j", async (own, groups, options, group, signature) => {
  const [facts, said] = await shake(own.split(" "), groups, options.split(" ").filter((word) => word !== ""));
  const { method, key, digest } = facts.serverSignature ?? {};
  expect([facts.keyExchange, [method, key && `(${key})`, digest].filter(Boolean).join(" ")])
    .toEqual([group, signature]);
  const [type, , hash] = [method, key, digest];
  expect(said).toContain(`Server Temp Key: ${TEMPORARY_KEYS[group]}\n`);
  expect(said.toLowerCase()).toContain(`peer signature type: ${type?.toLowerCase()}\n`);
  if (hash !== undefined) expect(said).toContain(`Peer signing digest: ${hash}\n`);
});

test("before TLS 1.3 the cipher's name says it all", async () => {
  const [facts] = await shake(["rsa"], POSTFIX_DEFAULT, ["-tls1_2"]);
  expect(facts).toMatchObject({ protocol: "TLSv1.2", cipher: expect.stringMatching(/^ECDHE-RSA-/) });
  expect([facts.keyExchange, facts.serverSignature, facts.clientSignature]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
