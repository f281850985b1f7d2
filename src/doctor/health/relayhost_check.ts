import type { Failure } from "../../delivery/smtp/failure.ts";
import type { ServerTrial } from "../../delivery/smtp/try_site.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";

/** What is known of the servers that all mail goes to. */
export interface RelayhostFacts {
  /** As written. */
  readonly relayhost: string;
  /** What became of each try; or why there was none. */
  readonly trials: readonly ServerTrial[] | Failure;
  /** smtp_sasl_password_maps is asked for a login. */
  readonly hasLogins: boolean;
}

const RELAYHOST = "relayhost";
const SUBMISSION_PORTS: ReadonlySet<number> = new Set([465, 587]);

/** Whether mail can leave by the relay: it is reached, greets, has the TLS that is demanded, and takes the login that is configured. */
export function checkRelayhost(facts: RelayhostFacts): CheckResult[] {
  const { relayhost, trials } = facts;
  if ("text" in trials) {
    return [
      problem(RELAYHOST, `${relayhost}: ${trials.text}`, { fix: "see relayhost in main.cf, and the DNS" }),
    ];
  }
  const good = trials.filter(({ failure }) => failure === undefined);
  const bad = trials.flatMap(({ failure }) => failure === undefined ? [] : [failure]);
  // Of several servers one that takes the mail is enough.
  const say = good.length > 0 ? warning : problem;
  const found = [
    ...bad.map((failure) => say(RELAYHOST, `${relayhost}: ${failure.text}`, { fix: fixOf(failure) })),
    ...good.flatMap((trial) => loginOf(trial, facts)),
  ];
  if (found.length > 0) return found;
  return good.slice(0, 1).map((trial) => ok(RELAYHOST, wellText(relayhost, trial)));
}

function wellText(relayhost: string, { relay, tls, login }: ServerTrial): string {
  const secured = tls === undefined ? "in the clear" : `${tls.facts.protocol}, ${tls.trust.toLowerCase()}`;
  const logged = login.is === "possible" ? `, a login by ${login.mechanism} is possible` : "";
  return `${relayhost} answers: ${relay}, ${secured}${logged}`;
}

/** What is to be done about it, by the words in which a delivery would be put off. */
const FIXES: readonly (readonly [RegExp, string])[] = [
  [
    /^connect to .*timed out|^connect to .*unreachable/i,
    "the way is closed: many networks let nobody out on port 25; try port 587 of the relay, or ask the provider",
  ],
  [/^connect to .*refused/i, "nobody listens there: see the port in relayhost"],
  [
    /TLS is required, but was not offered/,
    "smtp_tls_wrappermode = yes where the port is for TLS from the first byte (465); else see smtp_tls_security_level",
  ],
  [
    /certificate not verified/i,
    "`mta posttls-finger` shows the certificate; see smtp_tls_CAfile, smtp_tls_policy_maps",
  ],
  [/handshake failure|Cannot start TLS/i, "`mta posttls-finger` shows more"],
  [
    /timed out while receiving the initial server greeting/,
    "smtp_tls_wrappermode = yes where the port is for TLS from the first byte (465)",
  ],
  [/loops back to myself/, "relayhost leads to this machine"],
];

function fixOf({ text }: Failure): string {
  return FIXES.find(([words]) => words.test(text))?.[1] ?? "ask who runs the relay";
}

function loginOf(
  { relay, port, login }: ServerTrial,
  { relayhost, hasLogins }: RelayhostFacts,
): CheckResult[] {
  if (login.is === "impossible") {
    return [problem(RELAYHOST, `${relay}: no login: ${login.why}`, {
      fix:
        "see smtp_sasl_password_maps, smtp_sasl_security_options, smtp_sasl_mechanism_filter; and smtp_tls_security_level = encrypt",
    })];
  }
  if (login.is === "possible" || !login.offered) return [];
  if (hasLogins) {
    return [
      warning(RELAYHOST, `${relay} takes logins, and smtp_sasl_password_maps has none for ${relayhost}`, {
        fix: `an entry of that table: ${relayhost} USER:PASSWORD`,
      }),
    ];
  }
  if (!SUBMISSION_PORTS.has(port)) return [];
  return [
    warning(RELAYHOST, `${relay} takes logins, and none is configured: such a port mostly demands one`, {
      fix: "smtp_sasl_auth_enable = yes, and smtp_sasl_password_maps with the login",
    }),
  ];
}
