import { randomBytes } from "../../platform/crypto/digest.ts";
import type { ChannelBinding, OfferedMechanism } from "../auth_backend.ts";
import { cramMd5Client } from "../mechanism/cram_md5.ts";
import type { ClientLogin, ClientScript } from "../mechanism/exchange.ts";
import { loginClient } from "../mechanism/login.ts";
import { oauthBearerClient, xoauth2Client } from "../mechanism/oauth.ts";
import { plainClient } from "../mechanism/plain.ts";
import { scramClient } from "../mechanism/scram.ts";
import type { Gate } from "../password/gate.ts";
import { allowedMechanisms } from "../security_options.ts";

/** What a client logs in to, and with. */
export interface ClientTarget {
  readonly login: ClientLogin;
  /** What the secret is. */
  readonly secretIs: "password" | "token";
  readonly host: string;
  readonly port: number;
  /** Data of the TLS connection; undefined in the clear, or where there is none of a type. */
  readonly channelBinding: (type: ChannelBinding) => Buffer | undefined;
  /** Where work waits that a server decides the size of. */
  readonly gate: Gate;
}

interface Mechanism extends OfferedMechanism {
  readonly secretIs: ClientTarget["secretIs"];
  readonly fits: (target: ClientTarget) => boolean;
  readonly start: (target: ClientTarget) => ClientScript;
}

/** The exporter is preferred, as it is the same whatever the certificate (RFC 9266 §3). */
function bindingOf({ channelBinding }: ClientTarget) {
  for (const type of ["tls-exporter", "tls-server-end-point"] as const) {
    const data = channelBinding(type);
    if (data !== undefined) return { type, data };
  }
  return undefined;
}

const scram = (plus: boolean) => (target: ClientTarget): ClientScript => {
  const binding = bindingOf(target);
  return scramClient(target.login, {
    binding: plus ? binding : undefined,
    couldBind: binding !== undefined,
    nonce: randomBytes(18).toString("base64"),
    gate: target.gate,
  });
};

const always = () => true;

/** In the order of preference, as Cyrus has it: what tells a server least of the password comes first. */
const MECHANISMS: readonly Mechanism[] = [
  {
    name: "SCRAM-SHA-256-PLUS",
    properties: ["dictionary", "mutual_auth"],
    secretIs: "password",
    fits: (target) => bindingOf(target) !== undefined,
    start: scram(true),
  },
  {
    name: "SCRAM-SHA-256",
    properties: ["dictionary", "mutual_auth"],
    secretIs: "password",
    fits: always,
    start: scram(false),
  },
  {
    name: "CRAM-MD5",
    properties: ["active", "dictionary"],
    secretIs: "password",
    fits: always,
    start: ({ login }) => cramMd5Client(login),
  },
  {
    name: "PLAIN",
    properties: ["plaintext", "active", "dictionary"],
    secretIs: "password",
    fits: always,
    start: ({ login }) => plainClient(login),
  },
  {
    name: "LOGIN",
    properties: ["plaintext", "active", "dictionary"],
    secretIs: "password",
    fits: always,
    start: ({ login }) => loginClient(login),
  },
  {
    name: "OAUTHBEARER",
    properties: ["plaintext", "active"],
    secretIs: "token",
    fits: always,
    start: ({ login, host, port }) => oauthBearerClient(login, host, port),
  },
  {
    name: "XOAUTH2",
    properties: ["plaintext", "active"],
    secretIs: "token",
    fits: always,
    start: ({ login }) => xoauth2Client(login),
  },
];

/** A mechanism that was chosen, and the client's side of it. */
export interface ChosenMechanism {
  readonly name: string;
  readonly script: ClientScript;
}

/** What there is to choose from, upper case. */
export interface Choice {
  /** What the server offers. */
  readonly offered: readonly string[];
  /** What the operator's filter leaves of it. */
  readonly filtered: readonly string[];
  /** smtp_sasl_security_options, or that of TLS. */
  readonly options: string;
}

/** The best of what is left; undefined when there is none. */
export function chooseMechanism(
  { offered, filtered, options }: Choice,
  target: ClientTarget,
): ChosenMechanism | undefined {
  const usable = MECHANISMS.filter(({ name, secretIs, fits }) =>
    filtered.includes(name) && secretIs === target.secretIs && fits(target)
  );
  const [best] = allowedMechanisms(usable, options);
  if (best === undefined) return undefined;
  // Who says that it could bind says that the server does not offer that, as far as it can see (RFC 5802 §6).
  const isTold = best.name === "SCRAM-SHA-256" && offered.includes("SCRAM-SHA-256-PLUS");
  const script = best.start(isTold ? { ...target, channelBinding: () => undefined } : target);
  return { name: best.name, script };
}
