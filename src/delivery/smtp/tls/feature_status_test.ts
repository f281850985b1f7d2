import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfMadeAuthority } from "../../../../test/kit/memory/authority.ts";
import { withPeers } from "../../../../test/kit/peers.ts";
import { type JobOptions, testAgent } from "../../../../test/kit/scenes/smtp_delivery.ts";
import { type PeerScript, startSmtpPeer } from "../../../../test/kit/servers/smtp_peer.ts";
import { parseHosts } from "../../../dns/hosts.ts";
import { deliveryEvents } from "../../../observe/events_delivery.ts";
import { FeatureStatus } from "./feature_status.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "openssl");

const folder = mkdtempSync(join(tmpdir(), "feature-status-"));
const scripts: Record<string, PeerScript> = {};
beforeAll(() => {
  const root = selfMadeAuthority("Root");
  const right = root.issue({ name: "mx.example" });
  writeFileSync(join(folder, "ca.pem"), root.certificate);
  Object.assign(scripts, {
    right: { tls: right },
    promising: { tls: right, ehlo: ["REQUIRETLS"] },
    stranger: { tls: selfMadeAuthority("mx.example"), ehlo: ["REQUIRETLS"] },
    clear: {},
    refusing: { ehlo: ["STARTTLS"], startTls: "454 4.7.0 not now" },
    broken: { tls: { ...right, handshake: "garbage" } },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Case {
  readonly level: string;
  /** REQUIRETLS, under this policy. */
  readonly policy?: string;
  readonly peer: string;
  readonly job?: Partial<JobOptions>;
}

/** What the delivery line says of TLS. */
async function told({ level, policy, peer: name, job }: Case): Promise<string | undefined> {
  const script = scripts[name];
  const peer = script && await startSmtpPeer(script);
  const { agent, deliver } = testAgent({
    smtp_host_lookup: "native",
    smtp_tls_CAfile: join(folder, "ca.pem"),
    smtp_tls_fingerprint_digest: "sha256",
    smtp_tls_verify_cert_match: "hostname",
    smtp_tls_security_level: level,
    smtp_log_tls_feature_status: true,
    smtp_requiretls_policy: policy ?? "",
  }, { hosts: parseHosts("127.0.0.1 mx.example\n") });
  try {
    const demand = policy === undefined ? {} : { requireTls: true as const };
    const report = await deliver({ nexthop: `[mx.example]:${peer?.port ?? 1}`, ...demand, ...job });
    return report.outcomes[0]?.tlsStatus;
  } finally {
    agent.close();
    await peer?.close();
  }
}

describe("a delivery line says what became of", () => {
  test.each<[string, Case]>([
    ["none", { level: "none", peer: "right" }],
    ["may", { level: "may", peer: "right" }],
    ["may:none", { level: "may", peer: "clear" }],
    ["may:none", { level: "may", peer: "refusing" }],
    ["may?", { level: "may", peer: "nobody" }],
    ["may?", { level: "may", peer: "broken", job: { arrival: Date.now() } }],
    // It has waited long enough, and goes in the clear.
    ["may:none", { level: "may", peer: "broken" }],
    ["encrypt", { level: "encrypt", peer: "right" }],
    ["!encrypt", { level: "encrypt", peer: "clear" }],
    ["!encrypt", { level: "encrypt", peer: "refusing" }],
    ["encrypt?", { level: "encrypt", peer: "broken" }],
    ["verify", { level: "verify", peer: "right" }],
    ["!verify", { level: "verify", peer: "stranger" }],
  ])("the level: tls=%s", async (text, given) => expect(await told(given)).toBe(text));

  test.each<[string, Case]>([
    ["verify/requiretls", { level: "verify", policy: "enforce", peer: "promising" }],
    ["verify/!requiretls:none", { level: "verify", policy: "enforce", peer: "right" }],
    ["!verify/!requiretls:nocertmatch", { level: "verify", policy: "enforce", peer: "stranger" }],
    ["encrypt?/!requiretls:nocertmatch", { level: "encrypt", policy: "enforce", peer: "promising" }],
    ["!verify/!requiretls:nostarttls", { level: "verify", policy: "enforce", peer: "clear" }],
    ["encrypt/requiretls:nocertmatch", {
      level: "encrypt",
      policy: "opportunistic+starttls",
      peer: "promising",
    }],
    ["may?/!requiretls:nostarttls", { level: "may", policy: "opportunistic+starttls", peer: "clear" }],
    ["may/requiretls:none", { level: "may", policy: "opportunistic+starttls", peer: "right" }],
    ["none?/!requiretls:noencryption", { level: "none", policy: "opportunistic+starttls", peer: "right" }],
    ["may:none/requiretls:none", { level: "may", policy: "opportunistic", peer: "clear" }],
    ["may?/requiretls?", { level: "may", policy: "opportunistic", peer: "nobody" }],
    ["may?/requiretls?", { level: "may", policy: "nonsense", peer: "right" }],
  ])("REQUIRETLS: tls=%s", async (text, given) => expect(await told(given)).toBe(text));
});

test("a policy that cannot be made out is unknown", () => {
  expect(new FeatureStatus(undefined, "disable").text).toBe("unknown?");
});

test("it stands between the delays and the status, where it is asked for", () => {
  const fields = {
    id: "4A",
    to: "b@x",
    relay: "none",
    delay: "0",
    delays: "0/0/0/0",
    dsn: "2.0.0",
    status: "sent",
    text: "ok",
  };
  const before = "4A: to=<b@x>, relay=none, delay=0, delays=0/0/0/0, ";
  expect(deliveryEvents.delivery.text({ ...fields, tls: "may:none" })).toBe(
    `${before}tls=may:none, dsn=2.0.0, status=sent (ok)`,
  );
  expect(deliveryEvents.delivery.text(fields)).toBe(`${before}dsn=2.0.0, status=sent (ok)`);
});

test("what DANE has made of the level is told beside it", () => {
  const unusable = new FeatureStatus({ level: "encrypt", saysUntrusted: true }, "disable");
  expect(unusable.text).toBe("dane?");
  unusable.level("encrypt", true);
  expect(unusable.text).toBe("dane:encrypt");
  const half = new FeatureStatus({ level: "halfdane" }, "disable");
  half.level("halfdane", true);
  expect(half.text).toBe("dane:halfdane");
});
