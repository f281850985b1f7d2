import { oneLine } from "../../base/printable.ts";
import { splitListRaw, stripBraces } from "../../config/syntax/list.ts";
import { actionVerdict } from "../table/access_action.ts";
import { encodeLooseXtext } from "../../smtp/xtext.ts";
import type { Facts, Stage } from "../policy.ts";
import type { DefaultCheck, Query, Restriction, Verdict } from "../restriction.ts";
import type { PolicyServerOptions } from "../policy_server.ts";
import { serverError, withWarnings } from "../verdict.ts";
import type { AccessSettings, RestrictionDeps } from "../restriction_deps.ts";

/** A check_policy_service argument, taken apart (SMTPD_POLICY_README). */
export interface PolicySpec {
  readonly endpoint: string;
  readonly options: PolicyServerOptions;
  readonly defaultAction: string;
  readonly context: string;
}

/** The answer when even the default action cannot be carried out. */
const LAST_RESORT = "451 4.3.5 Server configuration problem";

type Overrides = Partial<Record<string, string>>;

/** Reads `inet:host:port`, or that with attributes: `inet:host:port, timeout=10s, default_action=DUNNO`. */
export function parsePolicySpec(spec: string, settings: AccessSettings): PolicySpec | string {
  const [endpoint, ...attributes] = splitListRaw(spec);
  const given: Overrides = {};
  for (const attribute of attributes) {
    const inner = attribute.startsWith("{") ? stripBraces(attribute) : attribute;
    if (typeof inner !== "string") return inner.text;
    const match = /^(\w+)\s*=\s*(.*)$/s.exec(inner);
    if (match === null || !ATTRIBUTES.has(match[1]!)) return `unknown attribute in policy service: ${inner}`;
    given[match[1]!] = match[2];
  }
  const numbers = numbersOf(given, settings);
  if (typeof numbers === "string") return numbers;
  return {
    endpoint: endpoint ?? "",
    options: numbers,
    defaultAction: given.default_action ?? settings.smtpd_policy_service_default_action,
    context: given.policy_context ?? settings.smtpd_policy_service_policy_context,
  };
}

const ATTRIBUTES = new Set([
  "default_action",
  "max_idle",
  "max_ttl",
  "policy_context",
  "request_limit",
  "retry_delay",
  "timeout",
  "try_limit",
]);

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

function numbersOf(given: Overrides, settings: AccessSettings): PolicyServerOptions | string {
  const bad: string[] = [];
  const number = (name: string, fallback: number, units: boolean) => {
    const text = given[name];
    if (text === undefined) return fallback;
    const match = (units ? /^(\d+)([smhdw]?)$/ : /^(\d+)()$/).exec(text);
    if (match === null) bad.push(`bad policy service attribute: ${name} = ${text}`);
    return match === null ? fallback : Number(match[1]) * (UNITS[match[2]!] ?? 1);
  };
  const options = {
    timeout: number("timeout", settings.smtpd_policy_service_timeout, true),
    maxIdle: number("max_idle", settings.smtpd_policy_service_max_idle, true),
    maxTtl: number("max_ttl", settings.smtpd_policy_service_max_ttl, true),
    requestLimit: number("request_limit", settings.smtpd_policy_service_request_limit, false),
    tryLimit: number("try_limit", settings.smtpd_policy_service_try_limit, false),
    retryDelay: number("retry_delay", settings.smtpd_policy_service_retry_delay, true),
  };
  return bad[0] ?? options;
}

/** check_policy_service: another program decides, by an action of access(5). */
export function checkPolicyService(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  const parsed = parsePolicySpec(spec, deps.settings);
  if (typeof parsed === "string") return () => serverError(parsed);
  const server = deps.policyServer(spec);
  const shown = parsed.endpoint === spec ? spec : `{ ${spec} }`;
  return async (query) => {
    const { stress } = query.facts.stressed === true ? deps.stressed ?? deps.settings : deps.settings;
    const reply = await server.ask(policyRequest(query, parsed.context, stress));
    const value = reply.is === "action" ? reply.action : parsed.defaultAction;
    const found = { table: shown, value, datum: "policy query", about: query.about, query };
    const verdict = actionVerdict(found, deps.actions, defaultCheck);
    if (reply.is === "action") return verdict;
    return withWarnings(asksAgain(verdict) ? lastResort(deps, shown, query) : verdict, reply.warnings);
  };
}

/** A default action must not ask a policy server: that could go on for ever. */
function asksAgain(verdict: Verdict): boolean {
  return verdict.is === "apply" &&
    verdict.list.steps.some((step) => step.name.toLowerCase().startsWith("check_policy_service"));
}

function lastResort(deps: RestrictionDeps, table: string, query: Query): Verdict {
  const found = { table, value: LAST_RESORT, datum: "policy query", about: query.about, query };
  return actionVerdict(found, deps.actions, undefined);
}

/** The protocol's attributes, one a line (SMTPD_POLICY_README): nothing that a client says becomes an attribute of its own. */
export function policyRequest(query: Query, context: string, stress: string): string {
  const { facts, stage } = query;
  const rows: readonly (readonly [string, string | number])[] = [
    ["request", "smtpd_access_policy"],
    ["protocol_state", stage === "CONNECT" ? facts.where ?? stage : stage],
    ["protocol_name", facts.protocol],
    ["client_address", facts.client.address],
    ["client_name", facts.client.name],
    ["client_port", facts.client.port],
    ["reverse_client_name", facts.client.reverseName],
    ["server_address", facts.server.address],
    ["server_port", facts.server.port],
    ["helo_name", facts.helo ?? ""],
    ["sender", facts.sender ?? ""],
    ["recipient", facts.recipient ?? ""],
    ["recipient_count", countAt(stage, facts)],
    ["queue_id", facts.queueId ?? ""],
    ["instance", facts.instance ?? ""],
    ["size", facts.size],
    ["etrn_domain", facts.etrnDomain ?? ""],
    ["stress", stress],
    ["sasl_method", facts.saslMethod ?? ""],
    ["sasl_username", facts.saslUsername ?? ""],
    ["sasl_sender", facts.saslSender ?? ""],
    ...certificateRows(facts),
    ["policy_context", context],
  ];
  return rows.map(([name, value]) => `${name}=${oneLine(`${value}`)}\n`).join("");
}

/** The count is final only when all recipients have been named. */
function countAt(stage: Stage, facts: Facts): number {
  return stage === "DATA" || stage === "END-OF-MESSAGE" ? facts.recipientCount : 0;
}

function certificateRows({ tls }: Facts): readonly (readonly [string, string | number])[] {
  const peer = tls?.peer;
  return [
    ["ccert_subject", peer?.trusted === true ? encodeLooseXtext(peer.subject) : ""],
    ["ccert_issuer", peer?.trusted === true ? encodeLooseXtext(peer.issuer) : ""],
    ["ccert_fingerprint", peer?.fingerprint ?? ""],
    ["ccert_pubkey_fingerprint", peer?.publicKeyFingerprint ?? ""],
    ["encryption_protocol", tls?.protocol ?? ""],
    ["encryption_cipher", tls?.cipher ?? ""],
    ["encryption_keysize", tls?.keysize ?? 0],
  ];
}
