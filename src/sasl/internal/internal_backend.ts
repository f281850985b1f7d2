import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import { randomBytes } from "../../platform/crypto/digest.ts";
import { machineKey } from "../../platform/crypto/machine_key.ts";
import {
  type AuthBackend,
  type AuthSession,
  DIALOGUE_TEXTS,
  type OfferedMechanism,
} from "../auth_backend.ts";
import { cramMd5Server, type FindSecret } from "../mechanism/cram_md5.ts";
import { exchangeOf, malformed, type StartServer } from "../mechanism/exchange.ts";
import { externalServer } from "../mechanism/external.ts";
import { loginServer } from "../mechanism/login.ts";
import { type CheckToken, oauthBearerServer, xoauth2Server } from "../mechanism/oauth.ts";
import { plainServer } from "../mechanism/plain.ts";
import { scramServer } from "../mechanism/scram.ts";
import type { Bind } from "../password/check_password.ts";
import { Gate } from "../password/gate.ts";
import { PasswordChecker } from "./password_checker.ts";
import { ScramFinder } from "./scram_finder.ts";
import { findUser, type UserTable } from "./users.ts";

/** The settings of the back end. */
export const INTERNAL_SASL_PARAMETERS = [
  "sasl_ldap_bind",
  "sasl_mechanisms",
  "sasl_users",
] as const satisfies readonly ParameterName[];

/** What the back end is made of. */
export interface InternalBackendOptions {
  readonly settings: SettingsOf<typeof INTERNAL_SASL_PARAMETERS>;
  /** The tables of `sasl_users`; undefined for none. */
  readonly users: UserTable | undefined;
  /** Asks the directory (sasl_ldap_bind); undefined where there is none. */
  readonly bind?: Bind | undefined;
  /** Whether tokens can be checked, and how. */
  readonly checkToken: CheckToken | undefined;
  /** What salts of users who are not there are made with; one that all workers have in common when left out. */
  readonly decoyKey?: Buffer;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * A worker compares one password at a time: the threads that hash are those that sync the queue's files, and there are as many as processors.
 * So many more of each rank may wait, about two seconds: more than that is guessing.
 */
const GATE = { parallel: 1, waiting: 60 };
/** Whoever asks a directory waits and costs no processor: it must not hold up those who need no directory. */
const BIND_GATE = { parallel: 16, waiting: 200 };

interface Running {
  readonly passwords: PasswordChecker;
  readonly scram: ScramFinder;
  readonly table: UserTable;
  readonly checkToken: CheckToken | undefined;
  readonly now: () => number;
}

interface Mechanism extends OfferedMechanism {
  /** Whether it can be run for a session at all. */
  readonly fits: (session: AuthSession, running: Running) => boolean;
  readonly start: (session: AuthSession, running: Running, offersPlus: boolean) => StartServer;
}

const always = () => true;
const noBinding = () => undefined;

function bindsTo({ tls }: AuthSession): boolean {
  return (["tls-exporter", "tls-server-end-point"] as const).some((type) =>
    tls?.channelBinding(type) !== undefined
  );
}

const scramStart = (plus: boolean): Mechanism["start"] => (session, { scram }, offersPlus) => {
  const context = {
    find: scram.findFor(session),
    plus,
    offersPlus,
    channelBinding: session.tls?.channelBinding ?? noBinding,
    nonce: randomBytes(18).toString("base64"),
  };
  return (initial) => scramServer(initial, context);
};

/** The plain secrets among what is stored. */
function secretsIn(table: UserTable, realm: string): FindSecret {
  return async (name) => {
    const user = await findUser(table, name, realm);
    if (user.is === "trouble") return user;
    const plain = user.is === "found" ? user.stored.find((each) => each.is === "plain") : undefined;
    return user.is === "found" && plain !== undefined
      ? { is: "secret", username: user.username, secret: plain.secret }
      : { is: "none" };
  };
}

/** The mechanisms; the properties of the older ones are those that Cyrus gives them. */
const MECHANISMS: readonly Mechanism[] = [
  {
    name: "PLAIN",
    properties: ["plaintext", "active", "dictionary"],
    fits: always,
    start: (session, { passwords }) => (initial) => plainServer(initial, passwords.checkFor(session)),
  },
  {
    name: "LOGIN",
    properties: ["plaintext", "active", "dictionary"],
    fits: always,
    start: (session, { passwords }) => (initial) => loginServer(initial, passwords.checkFor(session)),
  },
  {
    name: "CRAM-MD5",
    properties: ["active", "dictionary"],
    fits: always,
    start: ({ realm, myhostname }, { table, now }) => () => {
      const unique = randomBytes(12).toString("hex");
      return cramMd5Server(`<${unique}.${now()}@${myhostname}>`, secretsIn(table, realm));
    },
  },
  {
    name: "SCRAM-SHA-256",
    properties: ["dictionary", "mutual_auth"],
    fits: always,
    start: scramStart(false),
  },
  {
    name: "SCRAM-SHA-256-PLUS",
    properties: ["dictionary", "mutual_auth"],
    fits: bindsTo,
    start: scramStart(true),
  },
  {
    name: "OAUTHBEARER",
    properties: ["plaintext", "active"],
    fits: (_, { checkToken }) => checkToken !== undefined,
    start: (_, { checkToken }) => (initial) => oauthBearerServer(initial, checkToken!),
  },
  {
    name: "XOAUTH2",
    properties: ["plaintext", "active"],
    fits: (_, { checkToken }) => checkToken !== undefined,
    start: (_, { checkToken }) => (initial) => xoauth2Server(initial, checkToken!),
  },
  {
    name: "EXTERNAL",
    properties: ["active"],
    fits: ({ tls }) => tls?.certificateUser !== undefined,
    start: ({ tls }) => (initial) => externalServer(initial, tls?.certificateUser),
  },
];

/** All names that `sasl_mechanisms` may have. */
export const INTERNAL_MECHANISMS: readonly string[] = MECHANISMS.map(({ name }) => name);

/** Logins by a table of users, without another daemon (`smtpd_sasl_type = internal`). */
export function createInternalBackend(options: InternalBackendOptions): AuthBackend {
  const { settings, users, checkToken, now } = options;
  const decoyKey = options.decoyKey ?? machineKey("salts of users who are not there");
  const wanted = new Set(splitList(settings.sasl_mechanisms).map((name) => name.toUpperCase()));
  const table: UserTable = users ?? { find: () => ({ is: "absent" }) };
  const gate = new Gate(GATE);
  const running: Running = {
    passwords: new PasswordChecker({ table, gate, binds: new Gate(BIND_GATE), bind: options.bind, decoyKey }),
    scram: new ScramFinder({ table, gate, decoyKey }),
    table,
    checkToken,
    now,
  };
  const offered = (session: AuthSession) =>
    MECHANISMS.filter(({ name, fits }) => wanted.has(name) && fits(session, running));
  return {
    texts: DIALOGUE_TEXTS,
    offer: (session) => ({ is: "mechanisms", mechanisms: offered(session) }),
    begin: (name, session) => {
      const mechanisms = offered(session);
      const mechanism = mechanisms.find((each) => each.name === name);
      const offersPlus = mechanisms.some((each) => each.name === "SCRAM-SHA-256-PLUS");
      return mechanism === undefined
        ? { step: () => malformed(DIALOGUE_TEXTS.unknownMechanism), abort: () => {} }
        : exchangeOf(mechanism.start(session, running, offersPlus));
    },
    close: () => {},
  };
}
