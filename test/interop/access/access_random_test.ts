// Random restriction lists, tables and sessions: ours and the real Postfix agree in every reply, log line and warning.
// MTA_LONG_TESTS=1 plays thousands of sessions with new seeds; MTA_SEED repeats one.
import { randomPolicy, randomScenarios } from "../../access/random_scenarios.ts";
import { ROW_ZONE } from "../../access/worldly_row_scenarios.ts";
import { ZONE } from "../../access/worldly_scenarios.ts";
import { createSystemResolver } from "../../../src/dns/system_resolver.ts";
import { compareScenarios } from "../../kit/scenes/compare_scenarios.ts";
import { startAuthDaemon, startPolicyDaemon } from "../../kit/servers/policy_daemon.ts";
import { startDnsServer } from "../../kit/servers/dns_server.ts";

const NAME_SERVER = "127.0.0.79";
const LONG = process.env.MTA_LONG_TESTS === "1";
const batches = LONG ? 20 : 1;
const first = Number(process.env.MTA_SEED ?? (LONG ? Date.now() % 1_000_000_000 : 20_261_125));

for (let batch = 0; batch < batches; batch++) {
  const seed = first + batch * 1000;
  const scenarios = randomScenarios({ seed, configurations: 40, sessions: LONG ? 60 : 30 });
  compareScenarios(`random access policies answer as Postfix does (seed ${seed})`, scenarios, async () => {
    const dns = await startDnsServer({ ...ZONE, ...ROW_ZONE }, { host: NAME_SERVER, port: 53 });
    const [auth, policy] = await Promise.all([startAuthDaemon(), startPolicyDaemon(randomPolicy)]);
    return {
      nameServer: NAME_SERVER,
      names: { AUTH: `127.0.0.1:${auth.port}`, POLICY: `127.0.0.1:${policy.port}` },
      deps: { dns: createSystemResolver([`${NAME_SERVER}:53`]) },
      close: async () => {
        await Promise.all([dns.close(), auth.close(), policy.close()]);
      },
    };
  }, true);
}
