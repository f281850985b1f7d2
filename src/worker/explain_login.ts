import { systemClock } from "../base/clock.ts";
import { then } from "../base/maybe_async.ts";
import type { Service } from "../config/service.ts";
import type { Log } from "../observe/log.ts";
import { readTextIfThere } from "../platform/file/small_files.ts";
import type { OpenTables } from "../rewrite/open_tables.ts";
import {
  type AuthBackend,
  type AuthSession,
  type AuthStep,
  DIALOGUE_TEXTS,
  type OfferedMechanism,
} from "../sasl/auth_backend.ts";
import { createInternalBackend } from "../sasl/internal/internal_backend.ts";
import { findUser, type UserTable } from "../sasl/internal/users.ts";
import { readBackend } from "../sasl/read_backend.ts";
import type { AuthServer } from "../smtpd/auth_server.ts";
import { createAuthServer } from "../smtpd/create_auth_server.ts";

/** What a Dovecot may have, with the properties that it gives them. */
const OF_DOVECOT: readonly OfferedMechanism[] = [
  { name: "PLAIN", properties: ["plaintext"] },
  { name: "LOGIN", properties: ["plaintext"] },
  { name: "CRAM-MD5", properties: ["dictionary", "active"] },
  { name: "DIGEST-MD5", properties: ["dictionary", "active", "mutual_auth"] },
  { name: "SCRAM-SHA-1", properties: ["mutual_auth"] },
  { name: "SCRAM-SHA-256", properties: ["mutual_auth"] },
  { name: "GSSAPI", properties: [] },
  { name: "EXTERNAL", properties: [] },
  { name: "OAUTHBEARER", properties: [] },
  { name: "XOAUTH2", properties: [] },
  { name: "ANONYMOUS", properties: ["anonymous"] },
];

/** Whether there is such a user, as far as we know our users. */
type Recognize = (session: AuthSession, mechanism: string) => AuthStep | Promise<AuthStep>;

/** Who logs in by these need not be in `sasl_users`. */
const WITHOUT_PASSWORD: ReadonlySet<string> = new Set(["OAUTHBEARER", "XOAUTH2", "EXTERNAL"]);

function recognizeIn(table: UserTable | undefined, username: string): Recognize {
  return ({ realm }, mechanism) => {
    if (WITHOUT_PASSWORD.has(mechanism)) return { is: "done", username };
    return then(
      table === undefined ? { is: "absent" } as const : findUser(table, username, realm),
      (user): AuthStep => {
        if (user.is === "found") return { is: "done", username: user.username };
        const why = user.is === "trouble" ? { temporary: true, warnings: [user.why] } : {};
        return { is: "failed", reason: "", username, ...why };
      },
    );
  };
}

/** A back end that asks for no password. */
function believing(offer: AuthBackend["offer"], recognize: Recognize): AuthBackend {
  return {
    texts: DIALOGUE_TEXTS,
    offer,
    begin: (mechanism, session) => ({ step: () => recognize(session, mechanism), abort: () => {} }),
    close: () => {},
  };
}

function backendFor(settings: Service["settings"], username: string, openTables: OpenTables) {
  const wanted = readBackend(settings, readTextIfThere);
  const anybody: Recognize = () => ({ is: "done", username });
  const fixed = (mechanisms: readonly OfferedMechanism[]) => () =>
    ({ is: "mechanisms", mechanisms }) as const;
  switch (wanted.is) {
    case "none":
    case "bad":
      return undefined;
    case "dovecot":
      return believing(fixed(OF_DOVECOT), anybody);
    case "cyrus":
      return believing(fixed(wanted.wants.mechanisms), anybody);
    case "internal": {
      const users = openTables.maps(settings.sasl_users, "sasl_users")?.whole;
      const now = () => systemClock.now();
      const { offer } = createInternalBackend({
        settings,
        users,
        checkToken: wanted.oauth && (() => ({ is: "refused" })),
        now,
      });
      return believing(offer, recognizeIn(users, username));
    }
  }
}

/**
 * AUTH of a service for one whose password nobody asks for: with its own mechanisms, options and filters, and its own users where we
 * know them. What Dovecot has is not known without asking it: EHLO says nothing of it then.
 */
export function believedAuth(
  settings: Service["settings"],
  username: string,
  openTables: OpenTables,
  log: Log,
): AuthServer | undefined {
  if (!settings.smtpd_sasl_auth_enable) return undefined;
  const backend = backendFor(settings, username, openTables);
  if (backend === undefined) return undefined;
  const auth = createAuthServer(backend, settings, openTables, log);
  if (settings.smtpd_sasl_type !== "dovecot") return auth;
  return {
    texts: auth.texts,
    offer: (peer) => auth.offer(peer),
    begin: (mechanism, peer) => auth.begin(mechanism, peer),
    isExcepted: () => true,
  };
}
