import type { Assembly, AssemblyContext } from "./assembly.ts";

/** Builds all objects of a worker and joins them. */
export function assemble(context: AssemblyContext): Promise<Assembly> {
  const log = context.logFor(context.configuration.settings);
  return Promise.resolve({
    accept(_service, connection) {
      log.emit("smtpd", "connect", { client: `unknown[${connection.remote.address}]` });
      connection.write("421 4.3.2 Service not available\r\n");
      connection.end();
      return {
        data: () => {},
        end: () => connection.end(),
        drain: () => {},
        timeout: () => {},
        close: () => {},
      };
    },
    start: () => {},
    wake: () => {},
    pickup: () => {},
    drain: () => Promise.resolve(),
    close: () => Promise.resolve(),
  });
}
