import { systemFile } from "../../../platform/file/system_file.ts";

/** TCP services of services(5), by name and alias. */
export function parseServices(text: string): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [name = "", where, ...aliases] = line.replace(/#.*/, "").trim().split(/\s+/);
    const match = /^(\d+)\/tcp$/.exec(where ?? "");
    if (match === null) continue;
    for (const alias of [name, ...aliases]) if (!ports.has(alias)) ports.set(alias, Number(match[1]));
  }
  return ports;
}

/** The system's services file. */
export function systemServices(path = "/etc/services"): (name: string) => number | undefined {
  const current = systemFile(path, parseServices);
  return (name) => current().get(name);
}
