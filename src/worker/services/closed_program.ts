import type { Service } from "../../config/service.ts";

/** Why one of these programs may not run, if it may not. */
export function closedProgram(services: readonly Service[], programs: readonly string[]): string | undefined {
  return services.find(({ program, closed }) => closed !== undefined && programs.includes(program))?.closed;
}
