import { type Configuration, serviceKey } from "../../config/service.ts";
import { pipeConfig } from "../../delivery/pipe/pipe_arguments.ts";
import type { Finding } from "./finding.ts";

/** Entries that pipe(8) would not start with: their mail waits. */
export function checkPipes({ directory, services }: Configuration): Finding[] {
  return services.filter(({ program, closed }) => program === "pipe" && closed === undefined).flatMap(
    (service) => {
      const config = pipeConfig(service.name, service.args);
      if (typeof config !== "string") return [];
      const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
      const consequence = `${key} lets its mail wait`;
      const text = `${config} (${consequence}; ${file}, line ${line})`;
      return [{ severity: "closed", text, consequence, file, line, service: key, closes: [key] }];
    },
  );
}
