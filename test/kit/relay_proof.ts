// The proof against open relay for the text of a main.cf, as master makes it, and sessions against the same policy.
import { assembleProof, type RelayProof } from "../../src/access/relay_proof/relay_proof.ts";
import { createAccessPolicy } from "../../src/access/create_policy.ts";
import {
  type Attempt,
  FAVOURABLE_VERIFIER,
  favourableDns,
  isTaken,
} from "../../src/access/relay_proof/relay_session.ts";
import { outsideClientAt } from "../../src/access/relay_proof/proof_input.ts";
import type { PolicyDns } from "../../src/access/restriction_deps.ts";
import type { DnsAnswer } from "../../src/dns/answer.ts";
import type { RecordType } from "../../src/dns/record.ts";
import { isPromise } from "../../src/base/maybe_async.ts";
import { splitListRaw } from "../../src/config/syntax/list.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import type { World } from "../../src/config/world.ts";
import { realWorld } from "../../src/config/world.ts";
import { createLocalDomains } from "../../src/rewrite/local_domains.ts";
import { createOpenTables } from "../../src/rewrite/open_tables.ts";
import { createRouter } from "../../src/routing/router.ts";
import { isInProcess } from "../../src/table/table_types.ts";
import { ABSENT, type Answer } from "../../src/table/table.ts";

const world: World = {
  ...realWorld(1, "test"),
  hostName: () => "mail.example.com",
  interfaceAddresses: () => [{ address: "127.0.0.1", family: 4, prefix: 8, loopback: true, interface: "lo" }],
  lookupHost: () => [],
};

export type Verdict = "open" | "doubt" | "loose" | "closed";

/** A proof, and the policy that it was made for. */
export interface BuiltProof {
  readonly proof: RelayProof;
  readonly verdict: Verdict;
  /** Whether mynetworks has an address, whatever the client's name. */
  trusts(address: string): boolean;
  /**
   * The address that a session's mail goes to when that is none of ours; undefined when it is refused. Mail for a relay domain counts
   * where that is not one of `own`. `lenient`: policy servers and tables on other hosts say OK to everything, and every domain has us
   * for its second mail exchanger.
   */
  relaysTo(attempt: Attempt, own?: RegExp, others?: "silent" | "lenient"): Promise<string | undefined>;
}

/** Where tables are, and what time it is. */
export interface ProofOptions {
  readonly directory?: string;
  readonly clock?: () => number;
}

const STRANGER = outsideClientAt("198.51.100.77");
const FAVOURABLE_DNS = favourableDns(STRANGER);
const exchanger = (name: string, preference: number, exchange: string) =>
  ({ type: "MX", name, ttl: 300, preference, exchange }) as const;

/** Every domain has us for its second mail exchanger. */
const BACKUP_DNS: PolicyDns = {
  ...FAVOURABLE_DNS,
  query: <Type extends RecordType>(name: string, type: Type): Promise<DnsAnswer<Type>> => {
    if (type !== "MX") return FAVOURABLE_DNS.query(name, type);
    const records = [exchanger(name, 10, STRANGER.name), exchanger(name, 20, "mail.example.com")];
    const answer = { is: "records", records, canonical: name, authentic: false };
    return Promise.resolve(answer as DnsAnswer<Type>); // the records are of the type asked for
  },
};

/** Makes the proof for a main.cf. */
export async function buildProof(main: string, options: ProofOptions = {}): Promise<BuiltProof> {
  const { directory = "/nonexistent", clock = () => 0 } = options;
  const { settings, parameter } = readSettings({ directory, world, main });
  const surroundings = (others: Answer) => {
    const openTables = createOpenTables({
      directory,
      parameter,
      warn: () => {},
      clock: () => 0,
      standIn: (type, spec) =>
        isInProcess(type) ? undefined : { spec, pattern: false, lookup: () => others, close: () => {} },
    });
    const local = createLocalDomains(settings, ["127.0.0.1"], openTables);
    return { openTables, local, router: createRouter(settings, local, openTables) };
  };
  const { openTables, local, router } = surroundings(ABSENT);
  const service = { settings, parameter };
  const { prove, policy } = assembleProof(service, { router, local, openTables, clock });
  const lenient = () => {
    const around = surroundings({ is: "found", value: "OK" });
    const ask = () => Promise.resolve({ is: "action", action: "OK" } as const);
    const watchServer = () => ({ ask, close: () => {} });
    const deps = { ...around, clock: () => 0, verifier: FAVOURABLE_VERIFIER, watchServer, dns: BACKUP_DNS };
    return { policy: createAccessPolicy(service, deps), router: around.router };
  };
  const proof = await prove();
  const mynetworks = openTables.addresses(settings.mynetworks, { parentMatches: false });
  return {
    proof,
    verdict: verdictOf(proof),
    trusts: (address) => {
      const match = mynetworks?.matches(address) ?? { is: "no" };
      return !isPromise(match) && match.is === "yes";
    },
    relaysTo: async (attempt, own = /^/, others = "silent") => {
      const { sender, recipient } = attempt.facts;
      const by = others === "silent" ? { policy, router } : lenient();
      const resolution = await by.router.resolve(sender, recipient);
      if (resolution.is !== "resolved" || resolution.malformed) return undefined;
      const foreign = resolution.class === "default" ||
        (resolution.class === "relay" && !own.test(resolution.recipient));
      if (!foreign) return undefined;
      return await isTaken(by.policy, attempt) ? resolution.recipient : undefined;
    },
  };
}

/** The items of a restriction list of a main.cf. */
export function itemsOf(main: string, list: string): string[] {
  return splitListRaw(readSettings({ directory: "/nonexistent", world, main }).parameter(list) ?? "");
}

/** What the proof says of a main.cf. */
export async function proofOf(main: string, options?: ProofOptions): Promise<RelayProof> {
  return (await buildProof(main, options)).proof;
}

/** The proof in one word. */
export function verdictOf({ witnesses, doubts, loosely }: RelayProof): Verdict {
  return witnesses.length > 0
    ? "open"
    : doubts.length > 0
    ? "doubt"
    : loosely.length > 0
    ? "loose"
    : "closed";
}
