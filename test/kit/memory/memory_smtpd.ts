// An smtpd with the real policy, router, rewriter and cleanup in memory: only socket, clock, DNS and queue are fakes.
import { createAccessPolicy } from "../../../src/access/create_policy.ts";
import { createServiceFooter } from "../../../src/access/reply/reject_footer.ts";
import { withCharacterChecks } from "../../../src/cleanup/character_checks.ts";
import { createCleanup } from "../../../src/cleanup/create_cleanup.ts";
import { openContentChecks } from "../../../src/cleanup/content_checks.ts";
import { loadConfiguration } from "../../../src/config/load.ts";
import type { Configuration } from "../../../src/config/service.ts";
import { openFlush } from "../../../src/flush/flush.ts";
import type { Connection, ConnectionHandler } from "../../../src/platform/socket/connection.ts";
import { createLocalDomains } from "../../../src/rewrite/local_domains.ts";
import { createRewriter } from "../../../src/rewrite/rewriter.ts";
import { createOpenTables } from "../../../src/rewrite/open_tables.ts";
import { AnvilLedger } from "../../../src/anvil/anvil_ledger.ts";
import { ownAnvil } from "../../../src/anvil/anvil_access.ts";
import { createRouter } from "../../../src/routing/router.ts";
import { openClientLists } from "../../../src/smtpd/policy/client_lists.ts";
import type { ClientName } from "../../../src/dns/reverse.ts";
import type { CommandTable } from "../../../src/smtpd/session/commands.ts";
import type { SmtpdDeps } from "../../../src/smtpd/deps.ts";
import { openSmtpdMilters } from "../../../src/smtpd/smtpd_milters.ts";
import { createServerTls } from "../../../src/smtpd/tls/server_tls.ts";
import { systemTlsFiles } from "../../../src/tls/tls_files.ts";
import { openSmtpdTables } from "../../../src/smtpd/smtpd_tables.ts";
import { createSmtpd, type Smtpd } from "../../../src/smtpd/smtpd.ts";
import { type FakeClock, fakeClock } from "./fake_clock.ts";
import { memoryAuth, type MemoryDovecot } from "./memory_dovecot.ts";
import { type MemoryLog, memoryLog } from "./memory_log.ts";
import { type MemoryStore, memoryStore } from "./memory_store.ts";

/** What the tests' main.cf says before the test's own lines; the same for the real Postfix. */
export const BASE_MAIN_CF: Readonly<Record<string, string>> = {
  compatibility_level: "3.6",
  myhostname: "mail.example.com",
  mydomain: "example.com",
  myorigin: "example.com",
  mydestination: "example.com",
  mynetworks: "",
  relay_domains: "",
  alias_maps: "",
  alias_database: "",
  local_recipient_maps: "",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "ipv4",
  smtpd_relay_restrictions: "reject_unauth_destination",
  smtpd_peername_lookup: "no",
  smtpd_forbid_bare_newline: "normalize",
  local_header_rewrite_clients: "",
  default_transport: "discard",
  local_transport: "discard",
};

/** A service in memory. */
export interface MemorySmtpd {
  readonly smtpd: Smtpd;
  readonly store: MemoryStore;
  readonly log: MemoryLog;
  readonly clock: FakeClock;
  readonly configuration: Configuration;
  /** Opens a connection from an address. */
  connect(address?: string): MemoryConnection;
}

/** The client's end of a connection in memory. */
export interface MemoryConnection {
  readonly handler: ConnectionHandler;
  /** What the server has written since the last call. */
  read(): string;
  send(bytes: Uint8Array | string): void;
  readonly closed: boolean;
  readonly paused: boolean;
  /** How many writes the server has made. */
  readonly writes: number;
  /** Idle limit that the server has set, ms. */
  readonly idleLimit: number;
  end(): void;
}

/** Reads main.cf lines as a configuration with one smtpd. */
export function configurationOf(main: Readonly<Record<string, string>>, processLimit = "-"): Configuration {
  const text = Object.entries({ ...BASE_MAIN_CF, ...main }).map(([name, value]) => `${name} = ${value}\n`)
    .join("");
  const loaded = loadConfiguration({
    directory: "/nonexistent",
    texts: { main: text, master: `2525 inet n - n - ${processLimit} smtpd\n`, overrides: [] },
    users: { userByName: (name) => ({ name, uid: 1, gid: 1 }), userById: () => undefined, isRoot: false },
  });
  if (loaded.is === "bad") throw new Error(loaded.errors.map((error) => JSON.stringify(error)).join("\n"));
  return loaded.configuration;
}

/** Opens a connection to any smtpd, from an address. */
export function memoryConnectionOf(smtpd: Smtpd, address: string): MemoryConnection {
  let out = "";
  const state = { closed: false, paused: false, writes: 0, idleLimit: 0 };
  const fake = {
    local: { address: "127.0.0.1", port: 2525 },
    remote: { address, port: 40_000 },
    write(bytes: Uint8Array | string) {
      state.writes++;
      out += typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8");
      return true;
    },
    pause: () => void (state.paused = true),
    resume: () => void (state.paused = false),
    setTimeout: (ms: number) => void (state.idleLimit = ms),
    end: () => void (state.closed = true),
    destroy: () => void (state.closed = true),
    setHandler: (next: ConnectionHandler) => void (handler = next),
  } as unknown as Connection;
  let handler = smtpd.accept(fake);
  return {
    get handler() {
      return handler;
    },
    read() {
      const text = out;
      out = "";
      return text;
    },
    send: (bytes) =>
      handler.data(typeof bytes === "string" ? Buffer.from(bytes, "utf8") : Buffer.from(bytes)),
    get closed() {
      return state.closed;
    },
    get paused() {
      return state.paused;
    },
    get writes() {
      return state.writes;
    },
    get idleLimit() {
      return state.idleLimit;
    },
    end: () => handler.end(),
  };
}

/** Builds the service; `overrides` replace parts of it. */
export function memorySmtpd(
  main: Readonly<Record<string, string>> = {},
  overrides: Partial<SmtpdDeps> & {
    readonly clientName?: ClientName;
    readonly processLimit?: string;
    readonly dovecot?: MemoryDovecot;
    readonly commands?: CommandTable;
  } = {},
): MemorySmtpd {
  const configuration = configurationOf(main, overrides.processLimit);
  const service = configuration.services.find(({ program }) => program === "smtpd")!;
  const { settings } = service;
  const clock = fakeClock();
  const log = memoryLog();
  const store = memoryStore(() => clock.now());
  const openTables = createOpenTables({
    directory: "/nonexistent",
    parameter: (name) => service.parameter(name),
    warn: (text) => log.note("smtpd", "warning", text),
    clock: () => clock.now(),
  });
  const local = createLocalDomains(settings, ["127.0.0.1"], openTables);
  const router = createRouter(settings, local, openTables);
  const rewriter = createRewriter(settings, local, openTables);
  const milters = openSmtpdMilters(settings, openTables, log);
  const { clientName } = overrides;
  const tls = createServerTls(settings, { files: systemTlsFiles(() => ({})), openTables, log });
  const smtpd = createSmtpd({
    service,
    ...(service.stressed !== undefined && { stressed: { ...service, settings: service.stressed } }),
    access: createAccessPolicy(service, { router, local, openTables, clock: () => clock.now() }),
    cleanup: withCharacterChecks(
      createCleanup({
        settings,
        store,
        rewriter,
        log,
        checks: openContentChecks(settings, openTables),
      }),
      settings,
      log,
    ),
    ...(milters !== undefined && { milters }),
    newId: () => store.newId(),
    log,
    clock,
    clientLookup: () =>
      clientName ?? { name: "unknown", reverseName: "unknown", nameStatus: 5, reverseNameStatus: 5 },
    listed: openClientLists(settings, openTables, log),
    flushSite: openFlush(settings, { openTables, log, send: () => "started" }),
    anvil: ownAnvil(new AnvilLedger(settings.anvil_rate_time_unit, () => clock.now())),
    rejectFooter: createServiceFooter(settings, openTables, () => clock.now()),
    ...openSmtpdTables(settings, openTables, log),
    ...(tls !== undefined && { tls }),
    ...memoryAuth(settings, openTables, log, clock, overrides.dovecot),
    ...overrides,
  }, overrides.commands);
  return {
    smtpd,
    store,
    log,
    clock,
    configuration,
    connect: (address = "127.0.0.1") => memoryConnectionOf(smtpd, address),
  };
}
