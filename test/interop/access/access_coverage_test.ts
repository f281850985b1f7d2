// Which verdicts of which restrictions the scenarios reach that are compared with Postfix. A restriction without a scenario for a
// verdict that it can give fails here; so does a verdict that nobody wrote down.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AccessPolicy, TraceStep } from "../../../src/access/policy.ts";
import { restrictionNames } from "../../../src/access/engine/restriction_rows.ts";
import { createSystemResolver } from "../../../src/dns/system_resolver.ts";
import { ACTION_SCENARIOS } from "../../access/action_scenarios.ts";
import { ROW_SCENARIOS } from "../../access/row_scenarios.ts";
import { COMMON, SCENARIOS } from "../../access/scenarios.ts";
import { ROW_ZONE, WORLDLY_ROWS } from "../../access/worldly_row_scenarios.ts";
import { policyRule, WORLDLY, ZONE } from "../../access/worldly_scenarios.ts";
import { PLAIN_SERVER } from "../../kit/scenes/compare_scenarios.ts";
import { startDnsServer } from "../../kit/servers/dns_server.ts";
import { memorySmtpd } from "../../kit/memory/memory_smtpd.ts";
import { enter, playSession } from "../../kit/scenes/play_session.ts";
import { policyKit } from "../../kit/policy.ts";
import { startAuthDaemon, startPolicyDaemon } from "../../kit/servers/policy_daemon.ts";

const ACCESS = [
  ...["permit", "dunno", "reject 4", "reject 5", "defer_if_permit", "defer_if_reject", "applies", "note"],
  ...["hold", "discard", "redirect", "filter", "bcc", "prepend"],
];
/** Tables about what a client can forge: OK is an error. */
const NO_PERMIT = ["dunno", "reject 4", "reject 5"];
const PERMITS = ["permit", "dunno"];
const REJECTS = ["dunno", "reject 5"];
const LISTED = ["dunno", "reject 5"];
const ALLOWED = ["permit", "dunno", "defer_if_reject"];
const UNKNOWN = ["dunno", "reject 4", "reject 5", "defer_if_permit"];
const UNLISTED = ["dunno", "reject 4", "reject 5"];

/** The verdicts that each restriction can give. Codes of one's own can turn any reject 5 into a reject 4: not listed as such. */
const VERDICTS: Readonly<Record<string, readonly string[]>> = {
  permit: ["permit"],
  reject: ["reject 5"],
  defer: ["reject 4"],
  defer_if_permit: ["defer_if_permit"],
  defer_if_reject: ["defer_if_reject"],
  sleep: ["sleep", "reject 4"],
  reject_unauth_pipelining: ["dunno"],
  reject_plaintext_session: ["reject 4", "reject 5"],
  check_policy_service: [
    "permit",
    "dunno",
    "reject 4",
    "reject 5",
    "defer_if_permit",
    "applies",
    "hold",
    "prepend",
  ],
  permit_mynetworks: [...PERMITS, "reject 4"],
  permit_inet_interfaces: PERMITS,
  permit_sasl_authenticated: PERMITS,
  permit_tls_clientcerts: ["dunno"],
  permit_tls_all_clientcerts: ["dunno"],
  reject_unknown_client_hostname: [...REJECTS, "reject 4"],
  reject_unknown_client: [...REJECTS, "reject 4"],
  reject_unknown_reverse_client_hostname: [...REJECTS, "reject 4"],
  check_client_access: ACCESS,
  check_reverse_client_hostname_access: [...NO_PERMIT, "applies"],
  check_ccert_access: ["dunno"],
  check_sasl_access: REJECTS,
  check_client_a_access: REJECTS,
  check_client_mx_access: NO_PERMIT,
  check_client_ns_access: REJECTS,
  check_reverse_client_hostname_a_access: NO_PERMIT,
  check_reverse_client_hostname_mx_access: REJECTS,
  check_reverse_client_hostname_ns_access: REJECTS,
  reject_rbl_client: [...LISTED, "reject 4"],
  reject_rbl: LISTED,
  reject_maps_rbl: LISTED,
  reject_rhsbl_client: LISTED,
  reject_rhsbl_reverse_client: LISTED,
  permit_dnswl_client: ALLOWED,
  permit_rhswl_client: ALLOWED,
  check_helo_access: ACCESS,
  reject_invalid_helo_hostname: REJECTS,
  reject_invalid_hostname: REJECTS,
  reject_non_fqdn_helo_hostname: REJECTS,
  reject_non_fqdn_hostname: [...REJECTS, "reject 4"],
  reject_unknown_helo_hostname: UNKNOWN,
  reject_unknown_hostname: [...REJECTS, "reject 4"],
  permit_naked_ip_address: [...PERMITS, "reject 5"],
  check_helo_a_access: ["dunno", "reject 4", "defer_if_permit"],
  check_helo_mx_access: NO_PERMIT,
  check_helo_ns_access: NO_PERMIT,
  reject_rhsbl_helo: LISTED,
  check_sender_access: ACCESS,
  reject_unknown_sender_domain: UNKNOWN,
  reject_unknown_address: [...REJECTS, "reject 4"],
  reject_non_fqdn_sender: REJECTS,
  reject_unlisted_sender: UNLISTED,
  reject_sender_login_mismatch: REJECTS,
  reject_authenticated_sender_login_mismatch: REJECTS,
  reject_known_sender_login_mismatch: REJECTS,
  reject_unauthenticated_sender_login_mismatch: REJECTS,
  check_sender_a_access: REJECTS,
  check_sender_mx_access: REJECTS,
  check_sender_ns_access: REJECTS,
  reject_rhsbl_sender: LISTED,
  check_recipient_access: ACCESS,
  permit_auth_destination: PERMITS,
  permit_mx_backup: ALLOWED,
  reject_unauth_destination: REJECTS,
  defer_unauth_destination: ["dunno", "reject 4"],
  check_relay_domains: ["permit", "reject 5"],
  reject_unknown_recipient_domain: UNKNOWN,
  reject_non_fqdn_recipient: REJECTS,
  reject_unlisted_recipient: UNLISTED,
  check_recipient_maps: REJECTS,
  reject_multi_recipient_bounce: REJECTS,
  check_recipient_a_access: NO_PERMIT,
  check_recipient_mx_access: NO_PERMIT,
  check_recipient_ns_access: NO_PERMIT,
  reject_rhsbl_recipient: LISTED,
  check_etrn_access: [
    "permit",
    "dunno",
    "reject 4",
    "reject 5",
    "defer_if_permit",
    "defer_if_reject",
    "applies",
    "note",
  ],
};

/** What no scenario can bring about by XCLIENT, and the test that does. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  reject_unverified_sender: "interop/access/verify_test.ts",
  reject_unverified_recipient: "interop/access/verify_test.ts",
  reject_unauth_pipelining: "sessions/order.smtp",
  // Postfix has none of its own.
  check_spf: "whole/mailauth/spf_test.ts",
  check_spf_access: "whole/mailauth/spf_test.ts",
  check_dkim: "../src/access/policy_test.ts",
  check_dkim_access: "../src/access/policy_test.ts",
  check_dmarc: "../src/access/policy_test.ts",
  check_dmarc_access: "../src/access/policy_test.ts",
};

function labels(step: TraceStep): string[] {
  const extra = [
    ...(step.applies === undefined ? [] : ["applies"]),
    ...(step.effect === undefined ? [] : [step.effect.is]),
    ...(step.note !== undefined && step.effect === undefined ? ["note"] : []),
    ...(step.sleep === undefined ? [] : ["sleep"]),
  ];
  if (step.verdict === "reject") return [`reject ${String(step.reply?.code).slice(0, 1)}`];
  if (step.verdict === "dunno" && extra.length > 0) return extra;
  return [step.verdict, ...extra];
}

describe("the scenarios that are compared with Postfix", () => {
  const reached = new Map<string, Set<string>>();
  const codes = new Map<string, number>();
  const closers: (() => Promise<void> | void)[] = [];
  let replies = 0;

  beforeAll(async () => {
    const dns = await startDnsServer({ ...ZONE, ...ROW_ZONE });
    const [daemon, auth] = await Promise.all([startPolicyDaemon(policyRule), startAuthDaemon()]);
    closers.push(() => dns.close(), () => daemon.close(), () => auth.close());
    const names: Readonly<Record<string, string>> = {
      "%POLICY%": `127.0.0.1:${daemon.port}`,
      "%AUTH%": `127.0.0.1:${auth.port}`,
    };
    const step = (each: TraceStep) => {
      const row = each.restriction.split(" ")[0]!.toLowerCase();
      for (const label of labels(each)) reached.set(row, (reached.get(row) ?? new Set()).add(label));
    };
    const all = [...SCENARIOS, ...ACTION_SCENARIOS, ...ROW_SCENARIOS, ...WORLDLY, ...WORLDLY_ROWS];
    for (const { settings, sessions } of all) {
      const main = Object.fromEntries(
        Object.entries({ ...COMMON, access_at_domain_keys: "no", ...settings })
          .map(([name, value]) => [name, value.replace(/%\w+%/g, (text) => names[text] ?? text)]),
      );
      const text = Object.entries(main).map(([name, value]) => `${name} = ${value}\n`).join("");
      const { policy } = policyKit(text, { dns: createSystemResolver([dns.address]) });
      const access: AccessPolicy = {
        problems: policy.problems,
        open: () => {
          const session = policy.open();
          return {
            check: (stage, facts) => session.check(stage, facts, { step }),
            spf: (facts) => session.spf(facts),
          };
        },
        acceptsAddress: (...about) => policy.acceptsAddress(...about),
        headerContext: (facts) => policy.headerContext(facts),
        close: () => policy.close(),
      };
      const house = memorySmtpd({ ...main, ...PLAIN_SERVER }, { access });
      for (const { client = {}, commands } of sessions) {
        for (const reply of await playSession(enter(house, client.peer), client, commands)) {
          const code = reply.slice(0, 3);
          if (/^\d/.test(code)) codes.set(code, (codes.get(code) ?? 0) + 1);
          replies++;
        }
      }
      policy.close();
    }
  }, 180_000);
  afterAll(() => Promise.all(closers.map((close) => close())));

  test("reach every verdict of every restriction, and no other", () => {
    const found = Object.fromEntries(
      restrictionNames().filter((name) => VERDICTS[name] !== undefined)
        .map((name) => [name, [...reached.get(name) ?? []].sort()]),
    );
    const wanted = Object.fromEntries(
      Object.entries(VERDICTS).map(([name, verdicts]) => [name, [...verdicts].sort()]),
    );
    expect(found).toEqual(wanted);
  });

  test("leave out only what other tests have", () => {
    const missing = restrictionNames().filter((name) => VERDICTS[name] === undefined);
    expect(missing.filter((name) => ELSEWHERE[name] === undefined)).toEqual([]);
    for (const [name, file] of Object.entries(ELSEWHERE)) {
      expect(readFileSync(join(import.meta.dirname, "../..", file), "utf8")).toContain(name);
    }
  });

  test("check thousands of replies, of every code", () => {
    const counts = [...codes].sort().map(([code, count]) => `${code}: ${count}`).join(", ");
    console.log(
      `${replies} replies in the scenarios (${counts}); ${Object.keys(VERDICTS).length} restrictions`,
    );
    expect(replies).toBeGreaterThan(9000);
  });
});
