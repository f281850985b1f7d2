import { parseMainCf } from "../../config/syntax/main_cf.ts";
import { parseMasterCf } from "../../config/syntax/master_cf.ts";
import type { Configuration, Service } from "../../config/service.ts";
import type { Place } from "../explanation.ts";

/** Where the parameters of a service get their values. */
export function createPlaces(configuration: Configuration, service: Service): (name: string) => Place {
  const { directory, texts } = configuration;
  const main = parseMainCf(texts?.main ?? "", `${directory}/main.cf`);
  const master = parseMasterCf(texts?.master ?? "", `${directory}/master.cf`);
  const entry = master.entries.find(({ line }) => line === service.line);
  const overrides = new Map((texts?.overrides ?? []).map((each) => [each.name, each.file]));
  return (name) => {
    if (entry?.options.some((option) => option.name === name) === true) {
      return { from: "file", file: master.path, line: lineOfOption(texts?.master ?? "", entry.line, name) };
    }
    const override = overrides.get(name);
    if (override !== undefined) {
      return { from: override.startsWith("environment") ? "environment" : "command line", name: override };
    }
    const own = main.entries.get(name);
    return own === undefined ? { from: "default" } : { from: "file", file: main.path, line: own.line };
  };
}

/** The physical line of `-o name=` in an entry that may go over several. */
function lineOfOption(text: string, first: number, name: string): number {
  const lines = text.split("\n");
  const option = new RegExp(`-o\\s*\\{?\\s*${name.replace(/\W/g, "\\$&")}\\s*=`);
  for (let at = first; at <= lines.length; at++) {
    const line = lines[at - 1] ?? "";
    if (option.test(line)) return at;
    if (at > first && !/^[\s#]/.test(line) && line !== "") break;
  }
  return first;
}
