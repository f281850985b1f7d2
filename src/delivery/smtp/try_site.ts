import { chooseMechanism } from "../../sasl/client/client_mechanisms.ts";
import { isOptional, isPolicyFault } from "../../tls/client_policy.ts";
import { Session } from "./client_session.ts";
import { openSession } from "./connector.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { type Failure, localFailure } from "./failure.ts";
import type { LoginDemand } from "./login/login_demand.ts";
import { makeReady } from "./make_ready.ts";
import { relayName } from "./peer.ts";
import { domainTargets, hostTargets, type MxDomain, type Target } from "./route/address_list.ts";
import { parseDestination } from "./route/smtp_destination.ts";
import { demandOf } from "./session_key.ts";
import type { SessionTls } from "./session_tls.ts";

/** How a server stands to logins. */
export type LoginTrial =
  /** No login is configured for it. `offered`: it would take one. */
  | { readonly is: "none"; readonly offered: boolean }
  /** It is, and one of the mechanisms can be used. */
  | { readonly is: "possible"; readonly mechanism: string }
  | { readonly is: "impossible"; readonly why: string };

/** How far a server of a next hop would come with mail. */
export interface ServerTrial {
  /** `host[address]:port`. */
  readonly relay: string;
  readonly port: number;
  readonly failure: Failure | undefined;
  /** Undefined in the clear. */
  readonly tls: SessionTls | undefined;
  readonly login: LoginTrial;
  /** The server's limit for a message, 0 where it tells none. */
  readonly sizeLimit: number;
}

/** Servers that are tried of one next hop. */
const MOST = 3;
const SMTP_PORT = 25;

/**
 * Connects to the servers of a next hop as a delivery would, with hello and TLS, and takes leave: no login is tried, and no mail is
 * offered. A failure where there is no server at all.
 */
export async function trySite(
  nexthop: string,
  context: DeliveryContext,
  signal: AbortSignal,
): Promise<readonly ServerTrial[] | Failure> {
  const { defaultPort, knownPorts } = context.settings;
  const destination = parseDestination(nexthop, { defaultPort, knownPorts, service: context.service });
  if (destination.is === "socket") return localFailure("5.3.5", `no host: ${nexthop}`);
  if (destination.is === "malformed") return localFailure("5.3.5", destination.why);
  const { host, port, literal } = destination;
  const detectLoop = port === SMTP_PORT;
  const isDirect = literal || context.settings.dns === "disabled";
  const list = await (isDirect ? hostTargets : domainTargets)(context, host, detectLoop);
  if (list.targets.length === 0) return list.failure ?? localFailure("5.4.4", `no address for ${host}`);
  const where = { nexthop, domain: host, port, detectLoop };
  return await Promise.all(
    list.targets.slice(0, MOST).map((target) => tryServer(target, list.mx, where, context, signal)),
  );
}

interface Where {
  readonly nexthop: string;
  readonly domain: string;
  readonly port: number;
  readonly detectLoop: boolean;
}

async function tryServer(
  target: Target,
  mx: MxDomain | undefined,
  where: Where,
  context: DeliveryContext,
  signal: AbortSignal,
): Promise<ServerTrial> {
  const { host, address, family } = target;
  const { port, domain, nexthop, detectLoop } = where;
  const peer = { host, address, port };
  const failed = (failure: Failure): ServerTrial => ({
    relay: relayName(peer),
    port,
    failure,
    tls: undefined,
    login: { is: "none", offered: false },
    sizeLimit: 0,
  });
  const policy = await policyFor(target, mx, where, context);
  if ("text" in policy) return failed(policy);
  const login: LoginDemand = await context.logins?.demand({ host, nexthop, sender: "" }) ?? { is: "none" };
  const demand = demandOf(policy, { domain, host, requireTls: "disable", login });
  const session = await openSession({ is: "tcp", peer, family }, demand, context, signal);
  if (!(session instanceof Session)) return failed(session);
  const stop = () => session.abort();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const purpose = {
      id: "NOQUEUE",
      arrival: context.now(),
      nexthop,
      domain,
      detectLoop,
      reportTo: undefined,
    };
    const failure = await makeReady(session, purpose, { ...context, logins: undefined });
    if (failure !== undefined) return failed(failure);
    const { tls, features: { sizeLimit } } = session;
    return {
      ...failed(localFailure("", "")),
      failure,
      tls,
      sizeLimit,
      login: await loginAt(session, login, context),
    };
  } finally {
    signal.removeEventListener("abort", stop);
    session.quit();
  }
}

async function policyFor(target: Target, mx: MxDomain | undefined, where: Where, context: DeliveryContext) {
  const { policies, settings: { wrapperMode, program } } = context.tls;
  const draft = await policies.nexthop(where);
  const policy = await policies.server(draft, { ...where, host: target.host, target, mx });
  if (isPolicyFault(policy)) return localFailure(policy.status, policy.text);
  if (!wrapperMode || !isOptional(policy.level)) return policy;
  return localFailure("4.7.5", `${program}_tls_wrappermode needs ${program}_tls_security_level = encrypt`);
}

/** Whether a login that is configured could be made with what the server offers; a password is not asked for nor sent. */
async function loginAt(
  session: Session,
  demand: LoginDemand,
  { logins }: DeliveryContext,
): Promise<LoginTrial> {
  const { features: { auth }, tls, peer } = session;
  if (demand.is === "none" || logins === undefined) return { is: "none", offered: auth !== undefined };
  if (demand.is === "trouble") return { is: "impossible", why: demand.why };
  if (auth === undefined) return { is: "impossible", why: "it offers no login (AUTH)" };
  const filtered = await logins.filtered(auth);
  const level = tls === undefined ? "clear" : tls.trust === "Verified" ? "verified" : "encrypted";
  const { username, secret: { is: secretIs } } = demand.login;
  const chosen = chooseMechanism({ offered: auth, filtered, options: logins.settings.options[level] }, {
    login: { username, secret: "none", authorizationId: "" },
    secretIs,
    ...peer,
    channelBinding: tls?.facts.channelBinding ?? (() => undefined),
    gate: logins.gate,
  });
  if (chosen !== undefined) return { is: "possible", mechanism: chosen.name };
  const where = level === "clear" ? " in the clear" : "";
  return { is: "impossible", why: `it offers ${auth.join(" ")}, none of which may be used${where}` };
}
