import { parseMainCf } from "../../config/syntax/main_cf.ts";
import { parseMasterCf } from "../../config/syntax/master_cf.ts";
import { type Configuration, type Service, serviceKey } from "../../config/service.ts";

/** Where a value is set: the `-o` of an entry, else main.cf, else where the entry stands. */
export interface ValuePlace {
  readonly file: string;
  readonly line?: number;
  readonly service?: string;
}

/** Where the value that counts for a service is set. */
export function placeOf(
  parameter: string,
  service: Service,
  { directory, texts }: Configuration,
): ValuePlace {
  const entry = parseMasterCf(texts?.master ?? "", `${directory}/master.cf`).entries
    .find(({ line }) => line === service.line);
  if (entry?.options.some(({ name }) => name === parameter) === true) {
    return { file: `${directory}/master.cf`, line: service.line, service: serviceKey(service) };
  }
  const override = texts?.overrides.find(({ name }) => name === parameter);
  if (override !== undefined) return { file: override.file };
  const line = parseMainCf(texts?.main ?? "", "main.cf").entries.get(parameter)?.line;
  return { file: `${directory}/main.cf`, ...(line !== undefined && { line }) };
}

/** `/etc/postfix/main.cf, line 7`. */
export function placeText({ file, line, service }: ValuePlace): string {
  return [file, line === undefined ? "" : `line ${line}`, service === undefined ? "" : `service ${service}`]
    .filter((part) => part !== "").join(", ");
}
