// The proof against open relay for the text of a main.cf, as master makes it.
import { proveRelay, type RelayProof } from "../../src/access/relay_proof.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import type { World } from "../../src/config/world.ts";
import { realWorld } from "../../src/config/world.ts";
import { createLocalDomains } from "../../src/rewrite/local_domains.ts";
import { createShelf } from "../../src/rewrite/shelf.ts";
import { createRouter } from "../../src/routing/router.ts";
import { isInProcess } from "../../src/table/in_process.ts";
import { ABSENT } from "../../src/table/table.ts";

const world: World = {
  ...realWorld(1, "test"),
  hostName: () => "mail.example.com",
  interfaceAddresses: () => [{ address: "127.0.0.1", family: 4, prefix: 8, loopback: true, interface: "lo" }],
  lookupHost: () => [],
};

/** What the proof says of a main.cf. */
export async function proofOf(main: string, directory = "/nonexistent"): Promise<RelayProof> {
  const { settings, parameter } = readSettings({ directory, world, main });
  const shelf = createShelf({
    directory,
    parameter,
    warn: () => {},
    clock: () => 0,
    standIn: (type, spec) =>
      isInProcess(type) ? undefined : { spec, pattern: false, lookup: () => ABSENT, close: () => {} },
  });
  const local = createLocalDomains(settings, ["127.0.0.1"], shelf);
  const router = createRouter(settings, local, shelf);
  const proof = await proveRelay({ settings, parameter }, { router, local, shelf, clock: () => 0 });
  shelf.close();
  return proof;
}

/** The proof in one word. */
export function verdictOf({ witnesses, doubts, loosely }: RelayProof): "open" | "doubt" | "loose" | "closed" {
  return witnesses.length > 0
    ? "open"
    : doubts.length > 0
    ? "doubt"
    : loosely.length > 0
    ? "loose"
    : "closed";
}
