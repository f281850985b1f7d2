import type { CommandRow } from "./command.ts";

/** All commands. Aliases are rows of their own with the same loader. */
export const COMMANDS: Readonly<Record<string, CommandRow>> = {
  version: {
    group: "service",
    summary: "print the version",
    load: async () => (await import("./version.ts")).version,
  },
};
