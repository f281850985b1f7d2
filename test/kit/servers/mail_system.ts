// The mail path of one worker in this process, over a queue in memory: what the real Postfix is compared with.
import { SigningKeys } from "../../../src/cleanup/signing/signing_keys.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { ServiceEnd } from "../../../src/base/ending.ts";
import { loadConfiguration } from "../../../src/config/load.ts";
import { assemble } from "../../../src/worker/assemble.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import { listen } from "../../../src/platform/socket/connection.ts";
import { type MemoryLog, memoryLog } from "../memory/memory_log.ts";
import { type MemoryStore, memoryStore } from "../memory/memory_store.ts";
import { ownTlsFiles } from "../../../src/tls/tls_files.ts";

/** A running system. */
export interface MailSystem {
  /** Of the first smtpd service. */
  readonly port: number;
  /** Of every smtpd service, by its name in master.cf. */
  readonly ports: ReadonlyMap<string, number>;
  readonly log: MemoryLog;
  readonly store: MemoryStore;
  stop(): Promise<void>;
}

const SERVICES = `2525 inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
local unix - n n - - local
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
`;

/** Starts a system with these lines of main.cf; `directory` is its $config_directory, `master` adds services. */
export async function startMailSystem(
  main: Readonly<Record<string, string>>,
  directory: string,
  master = "",
): Promise<MailSystem> {
  const text = Object.entries(main).map(([name, value]) => `${name} = ${value}\n`).join("");
  const loaded = loadConfiguration({
    directory,
    texts: { main: text, master: SERVICES + master, overrides: [] },
  });
  if (loaded.is === "bad") throw new Error(loaded.errors.map((error) => JSON.stringify(error)).join("\n"));
  const { configuration } = loaded;
  const log = memoryLog();
  const store = memoryStore();
  const assembly = await assemble({
    configuration,
    store,
    metrics: new Metrics(),
    logFor: () => log,
    index: 0,
    workers: 1,
    helpers: false,
    tlsFiles: ownTlsFiles,
    signingKeys: new SigningKeys(ownTlsFiles, (text) => log.note("cleanup", "warning", text)),
    openFiles: 1024,
    request: () => Promise.reject(new Error("no master")),
  });
  const services = configuration.services.filter(({ program, type }) =>
    type === "inet" && program === "smtpd"
  );
  const listeners = await Promise.all(services.map((service) =>
    listen(
      { host: "127.0.0.1", port: 0 },
      { maxConnections: 100 },
      (connection) => assembly.accept(service, connection),
    )
  ));
  assembly.start();
  return {
    port: listeners[0]!.port,
    ports: new Map(services.map(({ name }, k) => [name, listeners[k]!.port])),
    log,
    store,
    async stop() {
      for (const listener of listeners) listener.close();
      const end = new ServiceEnd(systemClock);
      end.begin(1000, true);
      await assembly.drain(end);
      await assembly.close();
    },
  };
}
