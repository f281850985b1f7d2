// Tables of main.cf for clients that are tested in memory.
import type { Settings } from "../../../src/config/parameters/settings_type.ts";
import { createFindAddress } from "../../../src/rewrite/find_address.ts";
import type { LocalDomains } from "../../../src/rewrite/local_domains.ts";
import { createOpenTables } from "../../../src/rewrite/open_tables.ts";

/** Opens tables; `warn` hears of those that cannot be used. */
export function rewritingTools(warn: (text: string) => void = () => {}) {
  const form = { recipient_delimiter: "+", owner_request_special: false, myorigin: "mail.example.com" };
  return {
    openTables: createOpenTables({ directory: "", parameter: () => undefined, warn, clock: () => 0 }),
    find: createFindAddress(form as Settings, { isLocal: () => false } as unknown as LocalDomains),
  };
}
