import { then } from "../../base/maybe_async.ts";
import type { AuthBackend, AuthExchange, AuthSession, AuthStep, OfferedMechanism } from "../auth_backend.ts";
import { type CheckPassword, exchangeOf, type StartServer } from "../mechanism/exchange.ts";
import { loginServer } from "../mechanism/login.ts";
import { plainServer } from "../mechanism/plain.ts";
import type { Saslauthd } from "./saslauthd.ts";

type Failed = Extract<AuthStep, { readonly is: "failed" }>;

interface Mechanism extends OfferedMechanism {
  readonly start: (check: CheckPassword) => StartServer;
}

/** What hands over a password, with the properties that Cyrus gives it. */
const MECHANISMS: readonly Mechanism[] = [
  {
    name: "PLAIN",
    properties: ["plaintext", "active", "dictionary"],
    start: (check) => (initial) => plainServer(initial, check),
  },
  {
    name: "LOGIN",
    properties: ["plaintext", "active", "dictionary"],
    start: (check) => (initial) => loginServer(initial, check),
  },
];

/** Of a list of mechanisms those that need nothing but a password; without a list all of them. */
export function passwordMechanisms(wanted: readonly string[] | undefined): readonly OfferedMechanism[] {
  if (wanted === undefined) return MECHANISMS;
  return wanted.map((name) => MECHANISMS.find((each) => each.name === name)).filter((each) =>
    each !== undefined
  );
}

/** A name as Cyrus passes it on: without blanks around it, with smtpd_sasl_local_domain where it has no domain. */
function canonical(name: string, realm: string): string {
  const trimmed = name.trim();
  return realm === "" || trimmed.includes("@") ? trimmed : `${trimmed}@${realm}`;
}

/** saslauthd is asked for the part before the last @, and the domain behind it. */
function checkWith(saslauthd: Saslauthd, { service, realm }: AuthSession): CheckPassword {
  return (name, password) => {
    const username = canonical(name, realm);
    if (username === "") return { is: "trouble", why: "All-whitespace username." };
    const at = username.lastIndexOf("@");
    const [user, domain] = at < 0 ? [username, ""] : [username.slice(0, at), username.slice(at + 1)];
    return then(
      saslauthd.ask({ username: user, password, service, realm: domain }),
      (answer) => answer.is === "accepted" ? { is: "accepted", username } : answer,
    );
  };
}

const inWarning = (text: string) => `SASL authentication failure: ${text}`;

/** A failure in the words of Cyrus. */
function inCyrusWords(failed: Failed, mechanism: string, realm: string): Failed {
  const username = failed.username === undefined ? undefined : canonical(failed.username, realm);
  const verification = mechanism === "PLAIN" ? [inWarning("Password verification failed")] : [];
  if (failed.temporary) {
    const warnings = [...(failed.warnings ?? []).map(inWarning), ...verification];
    return { ...failed, username, reason: "generic failure", warnings };
  }
  if (failed.reason === "") {
    return { ...failed, username, reason: "authentication failure", warnings: verification };
  }
  return { ...failed, username, reason: "bad protocol / cancel", warnings: [inWarning(failed.reason)] };
}

function withCyrusWords(exchange: AuthExchange, mechanism: string, realm: string): AuthExchange {
  return {
    step: (response) =>
      then(
        exchange.step(response),
        (step) => step.is === "failed" ? inCyrusWords(step, mechanism, realm) : step,
      ),
    abort: () => exchange.abort(),
  };
}

/** Logins by saslauthd (`smtpd_sasl_type = cyrus`). */
export function createCyrusBackend(
  saslauthd: Saslauthd,
  mechanisms: readonly OfferedMechanism[],
): AuthBackend {
  return {
    texts: {
      badInitialResponse: "another step is needed in authentication",
      badContinuedResponse: "another step is needed in authentication",
      unknownMechanism: "no mechanism available",
    },
    offer: () => ({ is: "mechanisms", mechanisms }),
    begin: (name, session) => {
      const { start } = MECHANISMS.find((each) => each.name === name)!;
      return withCyrusWords(exchangeOf(start(checkWith(saslauthd, session))), name, session.realm);
    },
    close: () => saslauthd.close(),
  };
}
