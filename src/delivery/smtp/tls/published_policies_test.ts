import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfMadeAuthority } from "../../../../test/kit/memory/authority.ts";
import type { SelfSigned } from "../../../../test/kit/memory/self_signed.ts";
import { configurationOf } from "../../../../test/kit/memory/memory_smtpd.ts";
import { withPeers } from "../../../../test/kit/peers.ts";
import { type DnsServer, startDnsServer, type Zone } from "../../../../test/kit/servers/dns_server.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../../../../test/kit/servers/smtp_peer.ts";
import { type JobOptions, outcomeLines, testAgent } from "../../../../test/kit/scenes/smtp_delivery.ts";
import { createResolver } from "../../../dns/resolver.ts";
import { createOpenTables } from "../../../rewrite/open_tables.ts";
import type { StsAnswer } from "../../../tls/sts/sts_policies.ts";
import type { StsPolicy } from "../../../tls/sts/sts_policy.ts";
import type { TlsOutcome } from "../../../tls/tlsrpt/tls_outcome.ts";
import type { RewritingTools } from "../content/generic.ts";
import type { SmtpAgentOptions } from "../smtp_agent.ts";

const { describe, test } = withPeers(import.meta.path, "openssl");

const CERTIFICATES = ["right", "other", "stranger", "expired"] as const;
type Certificate = (typeof CERTIFICATES)[number];

/** A server of the domain: which certificate it has, if it speaks TLS. */
interface TestHost extends Omit<PeerScript, "tls"> {
  readonly certificate?: Certificate;
  readonly old?: true;
}

/** TLSA records of mx1: of its own key, of another. */
type Tlsa = "right" | "wrong";

interface Scene {
  /** mx1.example.com, mx2.example.com in this order of preference. */
  readonly hosts: readonly TestHost[];
  readonly settings?: Partial<SmtpAgentOptions["settings"]>;
  readonly sts?: StsAnswer;
  readonly job?: Partial<JobOptions>;
  /** A smtp_tls_policy_maps entry for the domain. */
  readonly table?: string;
  readonly tlsa?: Tlsa;
}

const PORT = 52_517;
const KEYWORDS = ["PIPELINING", "8BITMIME"];

function policy(changes: Partial<StsPolicy> = {}): StsAnswer {
  return { is: "policy", policy: { mode: "enforce", mx: ["*.example.com"], maxAge: 1000, ...changes } };
}

function tlsaOf({ certificate }: SelfSigned, which: Tlsa): Zone {
  const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  const digest = createHash("sha256").update(which === "right" ? key : "another").digest("hex");
  return { [`_${PORT}._tcp.mx1.example.com`]: { TLSA: [`3 1 1 ${digest}`] } };
}

describe("what domains and senders wish about TLS", () => {
  let folder: string;
  let dns: DnsServer;
  let zone: Zone;
  let chains: Readonly<Record<string, SelfSigned>>;
  let peers: SmtpPeer[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "published-"));
    const [authority, stranger] = [selfMadeAuthority("Authority"), selfMadeAuthority("Stranger")];
    writeFileSync(join(folder, "ca.pem"), authority.certificate);
    chains = Object.fromEntries([1, 2].flatMap((n) => {
      const name = `mx${n}.example.com`;
      return [
        [`right ${n}`, authority.issue({ name })],
        [`other ${n}`, authority.issue({ name: "other.example.com" })],
        [`stranger ${n}`, stranger.issue({ name })],
        [`expired ${n}`, authority.issue({ name, expired: true })],
      ];
    }));
    zone = {
      "example.com": { MX: ["10 mx1.example.com", "20 mx2.example.com"] },
      "one.example": { MX: ["10 mx1.example.com"] },
      "mx1.example.com": { A: ["127.0.0.21"] },
      "mx2.example.com": { A: ["127.0.0.22"] },
    };
    dns = await startDnsServer(zone, { authentic: true });
  });
  afterEach(async () => {
    await Promise.all(peers.map((peer) => peer.close()));
    peers = [];
  });
  afterAll(async () => {
    await dns?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  async function play({ hosts, settings, sts, job, table, tlsa }: Scene) {
    dns.setZone(
      tlsa === undefined ? zone : { ...zone, ...tlsaOf(chains[`${hosts[0]!.certificate} 1`]!, tlsa) },
    );
    peers = await Promise.all(hosts.map(({ certificate, old, ...script }, i) => {
      const chain = certificate && chains[`${certificate} ${i + 1}`]!;
      const tls = chain &&
        { ...chain, ...(old && { options: { maxVersion: "TLSv1.1", minVersion: "TLSv1" } as const }) };
      const all = { ehlo: KEYWORDS, name: `mx${i + 1}.example.com`, ...script, ...(tls && { tls }) };
      return startSmtpPeer(all, { host: `127.0.0.2${i + 1}`, port: PORT });
    }));
    const counted: [domain: string, outcome: TlsOutcome][] = [];
    const asked: string[] = [];
    const { agent, lines, deliver } = testAgent({
      inet_protocols: "ipv4",
      smtp_tls_security_level: "may",
      smtp_tls_loglevel: "1",
      smtp_tls_fingerprint_digest: "sha256",
      smtp_tls_CAfile: join(folder, "ca.pem"),
      smtp_tls_mandatory_protocols: ">=TLSv1",
      smtp_tls_protocols: ">=TLSv1",
      smtp_requiretls_policy: "enforce",
      ...(table !== undefined &&
        { smtp_tls_policy_maps: `inline:{{example.com:${PORT}=${table}}, {one.example:${PORT}=${table}}}` }),
      ...settings,
    }, {
      resolver: createResolver({
        servers: [{ host: "127.0.0.1", port: dns.port }],
        attempts: 1,
        timeout: 10_000,
        trustsAd: () => true,
      }),
      rewriting: rewriting(),
      findSts: (domain) => (asked.push(domain), Promise.resolve(sts ?? { is: "none" })),
      reporting: {
        wanted: () => Promise.resolve(true),
        count: (domain, outcome) => void counted.push([domain, outcome]),
      },
    });
    const domain = hosts.length === 1 ? "one.example" : "example.com";
    const report = await deliver({
      nexthop: `${domain}:${PORT}`,
      ...job,
    });
    await agent.close();
    return {
      outcome: outcomeLines(report)[0]!.replace(/\(250 .*\)/, "(ok)"),
      log: lines.map((line) => line.replace("smtp: ", "")),
      told: counted.map(([, { policy: { type }, failure }]) =>
        failure === undefined ? `${type} ok` : `${type} ${failure.type} ${failure.reason ?? ""}`.trim()
      ),
      counted,
      asked,
      mail: peers.flatMap((peer) => peer.lines).filter((line) => line.startsWith("MAIL")),
      names: peers.map((peer) => peer.serverNames),
    };
  }

  function rewriting(): RewritingTools {
    const configuration = configurationOf({});
    const openTables = createOpenTables({
      directory: "/nonexistent",
      parameter: (name) => configuration.parameter(name),
      warn: () => {},
      clock: () => 0,
    });
    return { openTables, find: () => Promise.reject(new Error("not asked")) } as unknown as RewritingTools;
  }

  const SENT = (n: number) => `sent 2.0.0 mx${n}.example.com[127.0.0.2${n}]:${PORT} (ok)`;
  const relay = (n: number) => `mx${n}.example.com[127.0.0.2${n}]`;

  describe("MTA-STS enforced", () => {
    test("a right server gets the mail, with its name asked for and verified", async () => {
      const { outcome, log, told, names, asked, counted } = await play({
        hosts: [{ certificate: "right" }],
        sts: policy(),
      });
      expect(outcome).toBe(SENT(1));
      expect(log.filter((line) => line.includes("TLS connection"))).toEqual([
        expect.stringMatching(
          /^Verified TLS connection established to mx1\.example\.com\[127\.0\.0\.21\]:\d+: TLSv1\.3/,
        ),
      ]);
      expect(told).toEqual(["sts ok"]);
      expect(log).toContain(
        "TLSRPT: status=success, domain=one.example, receiving_mx=mx1.example.com[127.0.0.21]",
      );
      expect([names, asked]).toEqual([[["mx1.example.com"]], ["one.example"]]);
      expect(counted[0]).toEqual(["one.example", {
        policy: {
          type: "sts",
          domain: "one.example",
          strings: ["version: STSv1", "mode: enforce", "mx: *.example.com", "max_age: 1000"],
          mxHosts: ["*.example.com"],
        },
        failure: undefined,
      }]);
    });

    const refused: readonly (readonly [TestHost, string, string])[] = [
      [{ certificate: "other" }, "Server certificate not verified", "sts certificate-host-mismatch"],
      [
        { certificate: "stranger" },
        "Server certificate not verified",
        "sts validation-failure unable_to_get_local_issuer_certificate",
      ],
      [{ certificate: "expired" }, "Server certificate not verified", "sts certificate-expired"],
      [{}, `TLS is required, but was not offered by host ${relay(1)}`, "sts starttls-not-supported"],
      [
        { startTls: "454 4.7.0 not now", ehlo: [...KEYWORDS, "STARTTLS"] },
        `TLS is required, but host ${relay(1)} refused to start TLS: 454 4.7.0 not now`,
        "sts starttls-not-supported",
      ],
      [
        { certificate: "right", old: true },
        "Cannot start TLS: handshake failure",
        "sts validation-failure tls-handshake-failure",
      ],
    ];
    for (const [host, why, result] of refused) {
      test(`waits: ${why} (${host.certificate})`, async () => {
        const { outcome, told, mail, counted } = await play({ hosts: [host], sts: policy() });
        expect(outcome).toMatch(/^deferred 4\.7\.\d /);
        expect(outcome).toContain(`(${why})`);
        expect([told, mail]).toEqual([[result], []]);
        expect(counted[0]![1].failure).toMatchObject({
          mx: "mx1.example.com",
          receivingIp: "127.0.0.21",
          sendingIp: expect.stringMatching(/^127\./),
          helo: "mx1.example.com",
        });
      });
    }

    test("a host that no pattern means is passed over, and its domain told", async () => {
      const { outcome, log, told } = await play({
        hosts: [{ certificate: "right" }, { certificate: "right" }],
        sts: policy({ mx: ["mx2.example.com"] }),
      });
      expect(outcome).toBe(SENT(2));
      expect(log).toContain(
        "warning: MX name 'mx1.example.com' does not match STS MX pattern for 'example.com'",
      );
      expect(told).toEqual(["sts validation-failure sts-mx-mismatch", "sts ok"]);
      expect(peers[0]!.connections).toBe(0);
    });

    test("where no host may be spoken to the mail waits, and says why", async () => {
      const { outcome } = await play({
        hosts: [{ certificate: "right" }],
        sts: policy({ mx: ["*.mx1.example.com"] }),
      });
      expect(outcome).toBe(
        "deferred 4.7.5 none (the MTA-STS policy of one.example does not name the host mx1.example.com)",
      );
    });

    test("level encrypt leads to the same; what a table says of the domain stands, and a host in brackets has no domain", async () => {
      const bad = { hosts: [{ certificate: "other" as const }], sts: policy() };
      const encrypt = { smtp_tls_security_level: "encrypt" };
      expect((await play({ ...bad, settings: encrypt })).outcome).toContain("not verified");
      for (const peer of peers) await peer.close();
      expect((await play({ ...bad, table: "may" })).outcome).toBe(SENT(1));
      for (const peer of peers) await peer.close();
      const literal = await play({ ...bad, job: { nexthop: `[127.0.0.21]:${PORT}` } });
      expect([literal.outcome.slice(0, 4), literal.asked]).toEqual(["sent", []]);
    });

    test("levels that demand less or more are the operator's", async () => {
      for (const [level, want] of [["none", "sent"], ["secure", "deferred"]] as const) {
        const { outcome, asked } = await play({
          hosts: [{ certificate: "other" }],
          sts: policy(),
          settings: { smtp_tls_security_level: level },
        });
        expect([outcome.split(" ")[0], asked]).toEqual([want, []]);
        for (const peer of peers) await peer.close();
      }
    });
  });

  test("when the service stops, a policy that does not come is not waited for", async () => {
    const stop = new AbortController();
    const { agent, deliver } = testAgent({ smtp_tls_security_level: "may" }, {
      findSts: () => (setImmediate(() => stop.abort(new Error("stop"))), new Promise(() => {})),
    });
    const report = await deliver({ nexthop: "one.example" }, stop.signal);
    expect(report.outcomes[0]).toMatchObject({ is: "deferred", interrupted: true });
    await agent.close();
  });

  test("DANE comes first: who has TLSA records is judged by them alone, all others by MTA-STS", async () => {
    const settings = {
      smtp_tls_security_level: "dane",
      smtp_dns_support_level: "dnssec",
      tls_dane_digests: "sha256",
    };
    const rows: readonly (readonly [Certificate, Tlsa | undefined, StsAnswer, string, string])[] = [
      ["stranger", "right", policy({ mx: ["elsewhere.example"] }), "sent", "tlsa ok"],
      ["right", "wrong", policy(), "deferred", "tlsa certificate-not-trusted"],
      ["right", undefined, policy(), "sent", "sts ok"],
      ["other", undefined, policy(), "deferred", "sts certificate-host-mismatch"],
      ["other", undefined, { is: "none" }, "sent", "no-policy-found ok"],
    ];
    for (const [certificate, tlsa, sts, want, result] of rows) {
      const { outcome, told } = await play({ hosts: [{ certificate }], settings, sts, tlsa });
      expect([certificate, tlsa, outcome.split(" ")[0], told]).toEqual([certificate, tlsa, want, [result]]);
      for (const peer of peers) await peer.close();
    }
  });

  describe("MTA-STS not enforced", () => {
    const rows: readonly (readonly [TestHost, Partial<StsPolicy>, string])[] = [
      [{ certificate: "right" }, {}, "sts ok"],
      [{ certificate: "other" }, {}, "sts certificate-host-mismatch"],
      [{ certificate: "stranger" }, {}, "sts validation-failure unable_to_get_local_issuer_certificate"],
      [{ certificate: "right" }, { mx: ["x.example"] }, "sts validation-failure sts-mx-mismatch"],
      [{}, {}, "sts starttls-not-supported"],
    ];
    for (const [host, changes, result] of rows) {
      test(`testing: the mail goes, and ${result} is told`, async () => {
        const { outcome, told } = await play({ hosts: [host], sts: policy({ mode: "testing", ...changes }) });
        expect([outcome, told]).toEqual([SENT(1), [result]]);
      });
    }

    test("a policy that cannot be had keeps no mail, and is told", async () => {
      const { outcome, told } = await play({
        hosts: [{ certificate: "stranger" }],
        sts: { is: "failed", failure: "sts-webpki-invalid", why: "" },
      });
      expect([outcome, told]).toEqual([SENT(1), ["sts sts-webpki-invalid"]]);
    });

    test("a domain without a policy is told so", async () => {
      const { outcome, told } = await play({ hosts: [{ certificate: "stranger" }] });
      expect([outcome, told]).toEqual([SENT(1), ["no-policy-found ok"]]);
    });

    test("TLS-Required: no has it sent whatever the domain or a table demands, and nobody is told", async () => {
      const wish = { job: { tlsNotRequired: true } };
      const bad = await play({ hosts: [{ certificate: "other" }], sts: policy(), ...wish });
      expect([bad.outcome, bad.told]).toEqual([SENT(1), []]);
      for (const peer of peers) await peer.close();
      expect((await play({ hosts: [{}], table: "secure", ...wish })).outcome).toBe(SENT(1));
      for (const peer of peers) await peer.close();
      const off = { settings: { tls_required_enable: false }, ...wish };
      expect((await play({ hosts: [{}], table: "secure", ...off })).outcome).toContain("deferred");
    });
  });

  describe("what plug-ins for MTA-STS answer (TLSRPT_README)", () => {
    const STS = "policy_type=sts policy_domain=example.com { policy_string = version: STSv1 } " +
      "{ policy_string = mode: enforce }";
    const secure = (more: string) => `secure match=.example.com servername=hostname ${more}`;

    test("patterns are for hosts, and the host's name is verified", async () => {
      const two = [{ certificate: "right" as const }, { certificate: "other" as const }];
      const first = await play({ hosts: two, table: secure(`${STS} mx_host_pattern=mx1.example.com`) });
      expect([first.outcome, first.told]).toEqual([SENT(1), ["sts ok"]]);
      expect(first.counted[0]![1].policy).toEqual({
        type: "sts",
        domain: "example.com",
        strings: ["version: STSv1", "mode: enforce"],
        mxHosts: ["mx1.example.com"],
      });
      for (const peer of peers) await peer.close();
      const second = await play({ hosts: two, table: secure(`${STS} mx_host_pattern=mx2.example.com`) });
      expect(second.outcome).toContain("Server certificate not verified");
      for (const peer of peers) await peer.close();
      const settings = { smtp_tls_enforce_sts_mx_patterns: false };
      const old = await play({
        hosts: two.toReversed(),
        settings,
        table: secure(`${STS} mx_host_pattern=mx2.example.com`),
      });
      expect(old.outcome).toBe(SENT(1));
    });

    test("policy_failure makes every certificate a wrong one", async () => {
      const { outcome, told, log } = await play({
        hosts: [{ certificate: "right" }],
        table: secure(`${STS} policy_failure=sts-policy-invalid`),
      });
      expect([outcome.includes("not verified"), told]).toEqual([true, ["sts sts-policy-invalid"]]);
      expect(log).toContain(
        `certificate verification failed for ${
          relay(1)
        }:${PORT}: external policy failure (sts-policy-invalid)`,
      );
    });

    test("what makes no sense makes the policy unusable", async () => {
      const rows = [
        ["policy_domain=example.com", "built-in policy has unexpected attribute policy_ttl, policy_domain"],
        ["policy_type=dane", 'attribute "policy_type" has an unexpected value: "dane"'],
        ["policy_type=sts policy_type=sts", 'attribute "policy_type" is specified multiple times'],
        ["policy_type=sts policy_ttl=1d", 'attribute "policy_ttl" has a malformed value: "1d"'],
        ["policy_type=sts policy_failure=x", 'attribute "policy_failure" has an unexpected value: "x"'],
        ["policy_type=sts { = x }", "missing attribute name"],
      ] as const;
      for (const [attributes, why] of rows) {
        const { outcome, log } = await play({
          hosts: [{ certificate: "right" }],
          table: `secure ${attributes}`,
        });
        expect(outcome).toBe("deferred 4.7.5 none (client TLS configuration problem)");
        expect(log.join("\n")).toContain(why);
        for (const peer of peers) await peer.close();
      }
    });
  });

  describe("REQUIRETLS", () => {
    const BOTH = [...KEYWORDS, "REQUIRETLS"];
    const wish = { job: { requireTls: true } };
    const verified = { smtp_tls_security_level: "secure", smtp_tls_secure_cert_match: "hostname" };
    const ASKED = "Sender requested REQUIRETLS, but";

    test("enforced: the right server that promises it gets the mail under it", async () => {
      const { outcome, mail } = await play({
        hosts: [{ certificate: "right", ehlo: BOTH }],
        settings: verified,
        ...wish,
      });
      expect([outcome, mail]).toEqual([SENT(1), ["MAIL FROM:<ann@example.com> REQUIRETLS"]]);
    });

    test("enforced: MTA-STS is as good as a level of one's own", async () => {
      const { outcome, mail } = await play({
        hosts: [{ certificate: "right", ehlo: BOTH }],
        sts: policy(),
        ...wish,
      });
      expect([outcome, mail.length]).toEqual([SENT(1), 1]);
    });

    const bounced: readonly (readonly [string, TestHost, Scene["settings"], string])[] = [
      [
        "no policy that verifies",
        { certificate: "right", ehlo: BOTH },
        {},
        `bounced 5.7.10 none (${ASKED} my configured TLS security level 'may' disables certificate matching. ` +
        "The last attempted server was mx1.example.com)",
      ],
      [
        "no promise",
        { certificate: "right" },
        verified,
        `bounced 5.7.30 ${relay(1)}:${PORT} (${ASKED} no server was found that supports REQUIRETLS. ` +
        `The last attempted server was ${relay(1)})`,
      ],
      [
        "no STARTTLS, whatever is promised in the clear",
        { ehlo: BOTH },
        verified,
        `bounced 5.7.30 ${relay(1)}:${PORT} (${ASKED} TLS service was not offered by host ${relay(1)})`,
      ],
      [
        "STARTTLS refused",
        { startTls: "454 4.7.0 no", ehlo: [...BOTH, "STARTTLS"] },
        verified,
        `bounced 5.7.10 ${relay(1)}:${PORT} (${ASKED} host ${relay(1)} refused to start TLS: 454 4.7.0 no)`,
      ],
      [
        "another's certificate",
        { certificate: "other", ehlo: BOTH },
        verified,
        `bounced 5.7.10 ${relay(1)}:${PORT} (${ASKED} no matching server certificate was found. ` +
        `The last attempted server was ${relay(1)})`,
      ],
      [
        "a stranger's certificate",
        { certificate: "stranger", ehlo: BOTH },
        verified,
        `bounced 5.7.10 ${relay(1)}:${PORT} (${ASKED} no trusted server certificate was found. ` +
        `The last attempted server was ${relay(1)})`,
      ],
      [
        "with STARTTLS at least: none",
        { ehlo: BOTH },
        { smtp_requiretls_policy: "opportunistic+starttls" },
        `bounced 5.7.30 ${relay(1)}:${PORT} (${ASKED} TLS service was not offered by host ${relay(1)})`,
      ],
      [
        "with STARTTLS at least: turned off",
        { ehlo: BOTH },
        { smtp_requiretls_policy: "opportunistic+starttls", smtp_tls_security_level: "none" },
        `bounced 5.7.10 none (${ASKED} my configured TLS security level 'none' disables encryption. ` +
        "The last attempted server was mx1.example.com)",
      ],
      [
        "a policy that makes no sense",
        { certificate: "right", ehlo: BOTH },
        { smtp_requiretls_policy: "perhaps" },
        "deferred 4.7.10 none (REQUIRETLS policy configuration error. The last attempted server was mx1.example.com)",
      ],
    ];
    for (const [name, host, settings, want] of bounced) {
      test(`is not met: ${name}`, async () => {
        const { outcome, mail } = await play({ hosts: [host], settings, ...wish });
        expect([outcome, mail]).toEqual([want, []]);
      });
    }

    test("another host may meet it", async () => {
      const hosts = [{ certificate: "right" as const }, { certificate: "right" as const, ehlo: BOTH }];
      const { outcome, mail } = await play({ hosts, settings: verified, ...wish });
      expect([outcome, mail]).toEqual([SENT(2), ["MAIL FROM:<ann@example.com> REQUIRETLS"]]);
    });

    test("opportunistic: it is asked for where it can be, and the mail goes anyhow", async () => {
      const rows: readonly (readonly [TestHost, string])[] = [
        [{ certificate: "stranger", ehlo: BOTH }, "MAIL FROM:<ann@example.com> REQUIRETLS"],
        [{ certificate: "stranger" }, "MAIL FROM:<ann@example.com>"],
        [{ ehlo: BOTH }, "MAIL FROM:<ann@example.com>"],
      ];
      for (const [host, want] of rows) {
        const settings = { smtp_requiretls_policy: "opportunistic" };
        const { outcome, mail } = await play({ hosts: [host], settings, ...wish });
        expect([outcome, mail]).toEqual([SENT(1), [want]]);
        for (const peer of peers) await peer.close();
      }
    });

    test("turned off it is as if nobody had asked; nobody else's mail is under it", async () => {
      const host: TestHost = { certificate: "right", ehlo: BOTH };
      for (
        const scene of [{ settings: { requiretls_enable: false }, ...wish }, {
          settings: { smtp_requiretls_policy: "disable" },
          ...wish,
        }, {}]
      ) {
        const { outcome, mail } = await play({ hosts: [host], ...scene });
        expect([outcome, mail]).toEqual([SENT(1), ["MAIL FROM:<ann@example.com>"]]);
        for (const peer of peers) await peer.close();
      }
    });

    test("it overrules TLS-Required: no", async () => {
      const job = { requireTls: true, tlsNotRequired: true };
      const { outcome } = await play({
        hosts: [{ certificate: "other", ehlo: BOTH }],
        settings: verified,
        job,
      });
      expect(outcome).toStartWith("bounced 5.7.10 ");
    });
  });
});
