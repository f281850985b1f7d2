import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { classed, defer } from "../../smtp/reply.ts";
import type { AuthOffer, AuthPeer, AuthServer } from "../auth_server.ts";
import type { Context } from "../context.ts";
import { LocalDataFault } from "../local_data_fault.ts";
import type { Phase } from "../phase.ts";
import { dismissal, type Step } from "../step.ts";

/** Who asks to log in. */
export function authPeerOf({ facts }: Context): AuthPeer {
  const { client: { address, port }, server } = facts;
  return { client: { address, port }, server, tls: facts.authTls };
}

/** AUTH, where this session may use it as it stands: not in the clear with smtpd_tls_auth_only, or where TLS is demanded. */
export function authFor({ deps, settings, facts }: Context): AuthServer | undefined {
  return settings.tls.authOnly && facts.tls === undefined ? undefined : deps.auth;
}

/** What the session may log in with: asked once, and again after STARTTLS and XCLIENT. Or the step that ends it, as in Postfix. */
export function learnOffer(
  context: Context,
  phase: Phase,
): MaybeAsync<{ readonly offer: AuthOffer | undefined } | { readonly end: Step }> {
  const { facts, deps: { log }, settings } = context;
  const server = authFor(context);
  if (server === undefined || facts.offer !== undefined) return { offer: facts.offer };
  return then(server.offer(authPeerOf(context)), (found) => {
    if (!("fatal" in found)) return { offer: found };
    for (const warning of found.warnings) log.note("smtpd", "warning", warning);
    log.note("smtpd", "fatal", found.fatal);
    return {
      end: dismissal(
        phase,
        classed(defer(421, "4.3.5", `${settings.myhostname} Server configuration error`), "software"),
      ),
    };
  });
}

/** What EHLO says of AUTH: undefined where the client is not told of it (smtpd_sasl_exceptions_networks). */
export function announcedMechanisms(
  { deps, facts, clientText }: Context,
  offer: AuthOffer | undefined,
): MaybeAsync<string | undefined> {
  if (offer === undefined || deps.auth === undefined || facts.withheld.has("AUTH")) return undefined;
  return then(deps.auth.isExcepted(facts.client), (excepted) => {
    if (excepted === undefined) {
      throw new LocalDataFault(`don't know if EHLO feature AUTH should be announced to ${clientText}`);
    }
    return excepted ? undefined : offer.announced;
  });
}
