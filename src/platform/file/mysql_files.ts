import fs from "node:fs";
import { join } from "node:path";

/** The option files of a folder, in the order of their names; none when it cannot be read. */
export function listCnfFiles(folder: string): string[] {
  try {
    return fs.readdirSync(folder).filter((name) => name.endsWith(".cnf")).sort().map((name) =>
      join(folder, name)
    );
  } catch {
    return [];
  }
}

/** Whether there is a socket of that name. */
export function socketExists(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
