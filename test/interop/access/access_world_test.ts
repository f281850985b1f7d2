// The scenarios that need the DNS, policy servers and logins, against a private real Postfix in the same world.
import { expect } from "bun:test";
import { createSystemResolver } from "../../../src/dns/system_resolver.ts";
import { ROW_ZONE, WORLDLY_ROWS } from "../../access/worldly_row_scenarios.ts";
import { policyRule, WORLDLY, ZONE } from "../../access/worldly_scenarios.ts";
import { compareScenarios } from "../../kit/scenes/compare_scenarios.ts";
import { startDnsServer } from "../../kit/servers/dns_server.ts";
import { type PolicyDaemon, startAuthDaemon, startPolicyDaemon } from "../../kit/servers/policy_daemon.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const NAME_SERVER = "127.0.0.77";

let policy: PolicyDaemon | undefined;

compareScenarios(
  "the access policy answers as Postfix does in the same world",
  [...WORLDLY, ...WORLDLY_ROWS],
  async () => {
    const dns = await startDnsServer({ ...ZONE, ...ROW_ZONE }, { host: NAME_SERVER, port: 53 });
    policy = await startPolicyDaemon(policyRule);
    const auth = await startAuthDaemon();
    return {
      nameServer: NAME_SERVER,
      deps: { dns: createSystemResolver([`${NAME_SERVER}:53`]) },
      names: { POLICY: `127.0.0.1:${policy.port}`, AUTH: `127.0.0.1:${auth.port}` },
      close: async () => {
        await Promise.all([dns.close(), auth.close()]);
      },
    };
  },
);

describe("policy requests", () => {
  afterAll(() => policy?.close());

  test("carry the same attributes as Postfix's, in the same order", () => {
    const requests = (policy?.requests ?? []).map((text) =>
      text.replace(/^(instance|queue_id|client_port|server_port|size)=.*$/gm, "$1=*")
    );
    const ours = requests.filter((_, at) => isOurs(policy?.requests[at] ?? ""));
    const real = requests.filter((_, at) => !isOurs(policy?.requests[at] ?? ""));
    expect(real.length).toBeGreaterThan(20);
    expect(ours).toEqual(real);
  });
});

/** Made up instances have our prefix. */
function isOurs(request: string): boolean {
  return /^instance=0\./m.test(request);
}
