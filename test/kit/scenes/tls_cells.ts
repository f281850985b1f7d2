// Levels x servers: what the client's policy of TLS comes to, for the table test beside Postfix.
import net from "node:net";
import { authorityUnder, selfMadeAuthority, type TestAuthority } from "../memory/authority.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../servers/smtp_peer.ts";
import { X509Certificate } from "node:crypto";

/** A server that a cell of the table is with. */
export interface TlsServerKind {
  readonly script: PeerScript;
  /** Its certificate's fingerprint, and that of another. */
  readonly fingerprint: string;
  /** One byte of its handshake is changed on the way: what it signed is not what it says. */
  readonly tampered?: true;
}

/** The kinds of servers. */
const KINDS = [
  "right",
  "right below an intermediate",
  "right, TLS 1.2",
  "wildcard",
  "common name only",
  "expired",
  "self-signed",
  "unknown authority",
  "unknown authority, not shown",
  "intermediate missing",
  "other name",
  "for clients",
  "no certificate",
  "wrong key",
  "handshake is garbage",
  "handshake is cut",
  "replies injected",
  "STARTTLS not offered",
  "STARTTLS refused for now",
  "STARTTLS refused",
  "STARTTLS answered in a strange way",
  "certificate wanted",
] as const;

/** Kinds that not every policy meets. */
const MORE_KINDS = [
  "several common names",
  "gone at MAIL",
  "right below two intermediates",
  "wrapper",
  "handshake is silent",
  "certificate wanted, TLS 1.2",
] as const;

/** The name of a kind of server. */
export type TlsServerName = (typeof KINDS)[number] | (typeof MORE_KINDS)[number];

/** All that a table is made of. */
export interface TlsWorld {
  readonly root: TestAuthority;
  readonly between: TestAuthority;
  readonly stranger: TestAuthority;
  readonly servers: Readonly<Record<TlsServerName, TlsServerKind>>;
}

const NAME = "localhost";

export function makeTlsWorld(): TlsWorld {
  const root = selfMadeAuthority("Table Root");
  const stranger = selfMadeAuthority("Strange Root");
  const between = authorityUnder(root, "Table Between");
  const right = root.issue({ name: NAME });
  const below = between.issue({ name: NAME });
  const chained = { ...below, certificate: below.certificate + between.certificate };
  const lower = authorityUnder(between, "Table Lower");
  const deepest = lower.issue({ name: NAME });
  const signers = lower.certificate + between.certificate;
  const deep = { ...deepest, certificate: deepest.certificate + signers };
  const unknown = stranger.issue({ name: NAME });
  const withRoot = { ...unknown, certificate: unknown.certificate + stranger.certificate };
  const of = (pair: { certificate: string; key: string }, more: object = {}): TlsServerKind => ({
    script: { tls: { ...pair, ...more } },
    fingerprint: new X509Certificate(pair.certificate).fingerprint256,
  });
  const old = { options: { maxVersion: "TLSv1.2", sessionTimeout: 300 } } as const;
  const servers: TlsWorld["servers"] = {
    right: of(right),
    "right below an intermediate": of(chained),
    "right, TLS 1.2": of(right, old),
    wildcard: of(root.issue({ name: "*.example.com", names: "DNS:localhost,DNS:*.example.com" })),
    "common name only": of(root.issue({ name: NAME, names: "" })),
    expired: of(root.issue({ name: NAME, expired: true })),
    "self-signed": of(selfMadeAuthority(NAME)),
    "unknown authority": of(withRoot),
    "unknown authority, not shown": of(unknown),
    "intermediate missing": of(below),
    "other name": of(root.issue({ name: "other.example.net" })),
    "for clients": of(root.issue({ name: NAME, purpose: "clientAuth" })),
    "no certificate": { script: { tls: { certificate: "", key: "" } }, fingerprint: "AB".repeat(32) },
    "wrong key": { ...of(right, old), tampered: true },
    "handshake is garbage": of(right, { handshake: "garbage" }),
    "handshake is cut": of(right, { handshake: "close" }),
    "replies injected": of(right, { behind: "250-localhost\r\n250 AUTH PLAIN\r\n" }),
    "STARTTLS not offered": { script: {}, fingerprint: "AB".repeat(32) },
    "STARTTLS refused for now": refusing("454 4.7.0 TLS not available due to local problem"),
    "STARTTLS refused": refusing("502 5.5.1 not implemented"),
    "STARTTLS answered in a strange way": refusing("350 what"),
    "certificate wanted": of(right, { clientCa: root.certificate }),
    "certificate wanted, TLS 1.2": of(right, { ...old, clientCa: root.certificate }),
    "handshake is silent": of(right, { handshake: "silent" }),
    "right below two intermediates": of(deep),
    "several common names": of(root.issue({ name: `first.example/CN=${NAME}/CN=last.example`, names: "" })),
    "gone at MAIL": of(right, { dropsAtMail: true }),
    wrapper: of(right, { wrapper: true }),
  };
  return { root, between, stranger, servers };
}

function refusing(startTls: string): TlsServerKind {
  return { script: { ehlo: ["PIPELINING", "8BITMIME", "STARTTLS"], startTls }, fingerprint: "AB".repeat(32) };
}

/** Policies, FINGERPRINT standing for the server's own. */
export const POLICIES: readonly string[] = [
  "none",
  "may",
  "encrypt",
  "fingerprint match=FINGERPRINT",
  "fingerprint match=OTHER",
  "verify",
  "secure match=nexthop",
  "secure match=.example.com:example.org",
];

/** Policies with attributes, and those that make no sense; each with the right server. */
export const SPECIAL_POLICIES: readonly string[] = [
  "secure",
  "verify match=nexthop",
  "verify match=hostname",
  "verify match=127.0.0.1",
  "verify match=.",
  "secure match=LOCALHOST",
  "secure tafile=ROOT",
  "secure tafile=STRANGE",
  "secure tafile=/nonexistent",
  "secure match=localhost tafile=OWN",
  "secure match=other.example.net tafile=OWN",
  "encrypt ciphers=high",
  "encrypt ciphers=bogus",
  "encrypt ciphers=",
  "encrypt exclude=aNULL:MD5",
  "encrypt exclude=!aNULL",
  "encrypt protocols=TLSv1.2",
  "encrypt protocols=>=TLSv1.3",
  "encrypt protocols=bogus",
  "may protocols=!TLSv1.3",
  "may match=nexthop",
  "encrypt match=nexthop",
  "none match=nexthop",
  "fingerprint",
  "fingerprint match=xyz",
  "fingerprint match=FINGERPRINT|OTHER",
  "fingerprint match=FINGERPRINT|00:11",
  "fingerprint match=00:11",
  "verify servername=hostname",
  "verify servername=-bad-",
  "encrypt connection_reuse=maybe",
  "encrypt bogus=1",
  "encrypt bogus",
  "bogus",
  "VERIFY",
];

/** One row of the table: a policy with a server, on a port of its own. */
export interface TlsCell extends OpenServer {
  readonly name: string;
  readonly policy: string;
}

/** A server that is there, on a port of its own. */
export interface OpenServer {
  readonly port: number;
  readonly peer: SmtpPeer;
  readonly close: () => Promise<void>;
}

/** Starts a server of a kind. */
export async function openServer(server: TlsServerKind): Promise<OpenServer> {
  const peer = await startSmtpPeer({ name: "peer.example", ...server.script });
  const front = server.tampered ? await tamper(peer.port) : undefined;
  return {
    peer,
    port: front?.port ?? peer.port,
    close: async () => {
      front?.close();
      await peer.close();
    },
  };
}

/** All cells: every policy with every kind of server, and every special policy with the right one. */
const CELLS = [
  ...KINDS.flatMap((kind) => POLICIES.map((policy) => ({ kind, policy }))),
  ...SPECIAL_POLICIES.map((policy) => ({ kind: "right" as const, policy })),
];

const nameOf = ({ kind, policy }: (typeof CELLS)[number]) => `${policy}: ${kind}`;

/** The names of all cells. */
export function cellNames(): readonly string[] {
  return CELLS.map(nameOf);
}

/** Starts a server for each cell. `file` gives the path of a file with PEM text. */
export async function startCells(
  { root, servers }: TlsWorld,
  file: (name: string, pem: string) => string,
): Promise<readonly TlsCell[]> {
  const stranger = selfMadeAuthority("Nobody");
  return await Promise.all(CELLS.map(async (cell) => {
    const server = servers[cell.kind];
    const policy = cell.policy.replace("FINGERPRINT", server.fingerprint)
      .replace("OTHER", "01".repeat(32))
      .replace("tafile=ROOT", `tafile=${file("root.pem", root.certificate)}`)
      .replace("tafile=OWN", `tafile=${file("own.pem", server.script.tls?.certificate ?? "")}`)
      .replace("tafile=STRANGE", `tafile=${file("strange.pem", stranger.certificate)}`);
    return { name: nameOf(cell), policy, ...await openServer(server) };
  }));
}

/** A relay on the way that changes the last byte of ServerKeyExchange, the end of its signature (RFC 5246 §7.4.3). */
async function tamper(port: number): Promise<{ readonly port: number; readonly close: () => void }> {
  const server = net.createServer((client) => {
    const upstream = net.connect(port, "127.0.0.1");
    client.on("error", () => {});
    upstream.on("error", () => {});
    client.pipe(upstream);
    upstream.on("data", (chunk: Buffer) => client.write(changed(chunk)));
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as net.AddressInfo).port, close: () => void server.close() };
}

const HANDSHAKE = 22;
const SERVER_KEY_EXCHANGE = 12;

function changed(chunk: Buffer): Buffer {
  for (let record = 0; record + 5 < chunk.length && chunk[record] === HANDSHAKE;) {
    const end = record + 5 + chunk.readUInt16BE(record + 3);
    for (let at = record + 5; at + 4 <= Math.min(end, chunk.length);) {
      const next = at + 4 + chunk.readUIntBE(at + 1, 3);
      if (chunk[at] === SERVER_KEY_EXCHANGE && next <= chunk.length) {
        const copy = Buffer.from(chunk);
        copy[next - 1] = copy[next - 1]! ^ 1;
        return copy;
      }
      at = next;
    }
    record = end;
  }
  return chunk;
}
