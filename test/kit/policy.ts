// A policy, router and rewriter built from the text of a main.cf, for tests that need no daemon.
import type { AccessPolicy, Facts, SessionPolicy } from "../../src/access/policy.ts";
import { createAccessPolicy, type PolicyDeps } from "../../src/access/create_policy.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import type { World } from "../../src/config/world.ts";
import { realWorld } from "../../src/config/world.ts";
import { createLocalDomains } from "../../src/rewrite/local_domains.ts";
import { createRewriter } from "../../src/rewrite/rewriter.ts";
import { createOpenTables } from "../../src/rewrite/open_tables.ts";
import { createResolve, createRouter } from "../../src/routing/router.ts";

/** What a test may change about the surroundings. */
export interface KitOptions extends Partial<PolicyDeps> {
  readonly directory?: string;
  readonly ownAddresses?: readonly string[];
}

const world: World = {
  ...realWorld(1, "test"),
  hostName: () => "mail.example.com",
  interfaceAddresses: () => [{ address: "127.0.0.1", family: 4, prefix: 8, loopback: true, interface: "lo" }],
  lookupHost: () => [],
};

/** All of the policy rooms for one main.cf. Warnings of tables land in `warnings`; each `policy.check` is a session of its own. */
export function policyKit(main: string, options: KitOptions = {}) {
  const directory = options.directory ?? "/nonexistent";
  const configuration = readSettings({ directory, world, main });
  const { settings } = configuration;
  const warnings: string[] = [];
  const openTables = createOpenTables({
    directory,
    parameter: configuration.parameter,
    warn: (text) => warnings.push(text),
    clock: () => 0,
  });
  const local = createLocalDomains(settings, options.ownAddresses ?? ["127.0.0.1"], openTables);
  const router = createRouter(settings, local, openTables);
  const resolver = createResolve(settings, local, openTables);
  const service = { settings, parameter: configuration.parameter };
  const access = createAccessPolicy(service, { router, local, openTables, clock: () => 0, ...options });
  const policy: AccessPolicy & SessionPolicy = {
    ...access,
    check: (stage, facts, trace) => access.open().check(stage, facts, trace),
    spf: (facts) => access.open().spf(facts),
  };
  return {
    settings,
    openTables,
    local,
    router,
    resolver,
    rewriter: createRewriter(settings, local, openTables),
    policy,
    warnings,
  };
}

/** A stranger who says HELO, MAIL and RCPT; change what the test is about. */
export function facts(changes: Partial<Facts> = {}): Facts {
  return {
    service: "smtp",
    client: {
      address: "192.0.2.7",
      port: 40000,
      name: "client.example.org",
      reverseName: "client.example.org",
      nameStatus: 2,
      reverseNameStatus: 2,
    },
    server: { address: "192.0.2.1", port: 25 },
    peerAddress: "192.0.2.7",
    protocol: "ESMTP",
    helo: "client.example.org",
    sender: "ann@example.org",
    recipient: "bob@example.com",
    recipientCount: 0,
    size: 0,
    ...changes,
  };
}
