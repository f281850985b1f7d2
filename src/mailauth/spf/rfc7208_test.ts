// The openspf.org test suite for RFC 7208, as it is published (its licence is beside it): all of its cases, and each with the
// explanation that it wants.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fakeClock } from "../../../test/kit/memory/fake_clock.ts";
import { memoryDns } from "../../../test/kit/memory/memory_dns.ts";
import type { Zone } from "../../../test/kit/servers/dns_server.ts";
import { checkSpf } from "./check_spf.ts";

interface Case {
  readonly host: string;
  readonly helo: string;
  readonly mailfrom: string;
  readonly result: string | readonly string[];
  readonly explanation?: string;
}

type SuiteRecord = "TIMEOUT" | { readonly [type: string]: string | readonly (string | number)[] };

interface Scenario {
  readonly description: string;
  readonly tests: { readonly [name: string]: Case };
  readonly zonedata: { readonly [name: string]: readonly SuiteRecord[] };
}

const suite = readFileSync(join(import.meta.dir, "../../../test/fixtures/spf/rfc7208-tests.yml"), "utf8");
const scenarios = (Bun.YAML.parse(suite) as (Scenario | null)[]).filter((scenario) => scenario !== null);

/** The suite has no explanation where it says so: a verifier may have a text of its own then. */
const NO_EXPLANATION = "DEFAULT";

const TYPES = ["A", "AAAA", "MX", "PTR", "TXT", "CNAME"];

/**
 * A name's records. Those of type SPF are TXT records as well, unless it has TXT records of its own; `TXT: NONE` says that it has none;
 * TIMEOUT is the answer to everything else.
 */
function entryOf(records: readonly SuiteRecord[]): Zone[string] {
  const found: { [type: string]: string[] | "SERVFAIL" } = {};
  const real = records.filter((record) => record !== "TIMEOUT");
  const hasTxt = real.some((record) => record.TXT !== undefined);
  for (const record of real) {
    for (const [type, value] of Object.entries(record)) {
      if (value === "NONE" || (type === "SPF" && hasTxt)) continue;
      const list = found[type === "SPF" ? "TXT" : type] ??= [];
      if (typeof list !== "string") {
        list.push(typeof value === "string" ? value : value.join(type === "MX" ? " " : ""));
      }
    }
  }
  if (!records.includes("TIMEOUT")) return found;
  for (const type of TYPES) found[type] ??= "SERVFAIL";
  return found;
}

test("the suite has all of its cases", () => {
  expect(scenarios.length).toBe(16);
  expect(scenarios.flatMap(({ tests }) => Object.keys(tests)).length).toBe(203);
});

for (const { description, tests, zonedata } of scenarios) {
  const zone = Object.fromEntries(
    Object.entries(zonedata).map(([name, records]) => [name, entryOf(records)]),
  );
  test.each(Object.entries(tests))(
    `${description}: %s`,
    async (_name, { host, helo, mailfrom, result, explanation }) => {
      const query = { ip: host, helo, sender: mailfrom, receiver: "receiver.example" };
      const found = await checkSpf(query, { resolver: memoryDns(zone), clock: fakeClock() });
      expect([result].flat()).toContain(found.is);
      if (explanation === NO_EXPLANATION) expect(found.explanation).toBeUndefined();
      else if (explanation !== undefined) expect(found.explanation).toBe(explanation);
    },
  );
}
