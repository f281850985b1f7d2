import { expect } from "bun:test";
import { createHash } from "node:crypto";
import { withPeers } from "../../../test/kit/peers.ts";
import { type SelfSigned, selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { endPointOf } from "./channel_binding.ts";
import { connect, type ConnectionHandler, listen, type Listener } from "./connection.ts";
import type { TlsFacts } from "./start_tls.ts";
import { createTlsContext } from "./tls_context.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl");

let rsa: SelfSigned;
let ecdsa: SelfSigned;
let listener: Listener;
let accepted: PromiseWithResolvers<TlsFacts>;
const deaf: ConnectionHandler = {
  data: () => {},
  end: () => {},
  drain: () => {},
  timeout: () => {},
  close: () => {},
};

/** What the server shows from now on. */
let shown: readonly SelfSigned[];
beforeAll(async () => {
  [rsa, ecdsa] = [selfSigned("mail.example.com", "rsa"), selfSigned("mail.example.com", "ecdsa-384")];
  shown = [rsa];
  listener = await listen({ host: "127.0.0.1", port: 0 }, { maxConnections: 10 }, (connection) => {
    const context = createTlsContext({
      ca: "",
      certificates: shown.map(({ certificate }) => certificate),
      keys: shown.map(({ key }) => key),
    });
    connection.startTls({ side: "server", context, timeout: 20_000 }).then(accepted.resolve, accepted.reject);
    return deaf;
  });
});
afterAll(() => listener.close());

const der = ({ certificate }: SelfSigned) =>
  Buffer.from(certificate.replace(/-----.*-----|\n/g, ""), "base64");

test("both ends see the same data, the next connection other data", async () => {
  const seen: (string | undefined)[] = [];
  for (let i = 0; i < 2; i++) {
    accepted = Promise.withResolvers();
    const connection = await connect(
      { host: "127.0.0.1", port: listener.port },
      { timeout: 20_000 },
      () => deaf,
    );
    const context = createTlsContext({ ca: "" });
    const client = await connection.startTls({
      side: "client",
      context,
      serverName: "mail.example.com",
      verify: false,
      timeout: 20_000,
    });
    const server = await accepted.promise;
    for (const type of ["tls-exporter", "tls-server-end-point"] as const) {
      const [ours, theirs] = [server.channelBinding?.(type), client.channelBinding?.(type)];
      expect(ours?.length).toBe(32);
      expect(theirs).toEqual(ours!);
      if (type === "tls-exporter") seen.push(ours?.toString("hex"));
      else expect(ours).toEqual(createHash("sha256").update(client.peer!.chain[0]!).digest());
    }
    connection.destroy();
  }
  expect(seen[0]).not.toBe(seen[1]);
});

test.each(["RSA", "ECDSA"])(
  "a server that has two and shows the %s certificate binds to neither",
  async (kind) => {
    shown = [rsa, ecdsa];
    accepted = Promise.withResolvers();
    const connection = await connect(
      { host: "127.0.0.1", port: listener.port },
      { timeout: 20_000 },
      () => deaf,
    );
    const context = createTlsContext({
      ca: "",
      versions: { lowest: "TLSv1.2", highest: "TLSv1.2" },
      ciphers: `ECDHE-${kind}-AES128-GCM-SHA256`,
    });
    const client = await connection.startTls({
      side: "client",
      context,
      serverName: "mail.example.com",
      verify: false,
      timeout: 20_000,
    });
    const server = await accepted.promise;
    const certificate = client.peer!.chain[0]!;
    expect(certificate.equals(der(kind === "RSA" ? rsa : ecdsa))).toBe(true);
    expect(server.channelBinding?.("tls-server-end-point")).toBeUndefined();
    expect(client.channelBinding?.("tls-server-end-point")).toEqual(endPointOf(certificate)!);
    expect(server.channelBinding?.("tls-exporter")).toBeUndefined();
    connection.destroy();
  },
);

test("openssl sees the same data as our server", async () => {
  accepted = Promise.withResolvers();
  const client = Bun.spawn([
    "openssl",
    "s_client",
    ...["-connect", `127.0.0.1:${listener.port}`, "-keymatexport", "EXPORTER-Channel-Binding"],
    ...["-keymatexportlen", "32"],
  ], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  const server = await accepted.promise;
  const ours = server.channelBinding?.("tls-exporter")?.toString("hex").toUpperCase();
  expect(await new Response(client.stdout).text()).toContain(`Keying material: ${ours}`);
});

test("a certificate without a single digest has no end-point binding", () => {
  expect(endPointOf(der(ecdsa))?.length).toBe(32);
  expect(endPointOf(der(selfSigned("mail.example.com", "ed25519")))).toBeUndefined();
});
