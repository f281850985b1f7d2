import type { Configuration, Service } from "../../config/service.ts";
import { splitList } from "../../config/syntax/list.ts";
import { resolvePath } from "../../table/context.ts";

/** `file:/path` and `oauth:/path`, as an entry of smtp_sasl_password_maps and a file for tokens name what is secret. */
const SECRET_FILE = /\b(?:file|oauth):(\/[^\s,{}"]+)/g;

/**
 * The files of secrets that a configuration names, for logins and for srs_secret: in main.cf itself, and in the tables of passwords, as
 * far as `textOf` has their text. What other tables say is nobody's word for that.
 */
export function secretFiles(
  configuration: Configuration,
  textOf: (path: string) => string | undefined,
): ReadonlySet<string> {
  const files = new Set<string>();
  const take = (text: string) => {
    for (const [, path] of text.matchAll(SECRET_FILE)) {
      if (files.has(path!)) continue;
      files.add(path!);
      // A file for tokens may name the file of its own secret.
      take(textOf(path!) ?? "");
    }
  };
  for (const [, path] of configuration.settings.srs_secret.matchAll(SECRET_FILE)) {
    files.add(path!);
    textOf(path!);
  }
  for (const service of configuration.services) {
    for (const value of valuesOf(service)) {
      take(value);
      for (const spec of splitList(value)) take(textOf(pathOf(spec, configuration)) ?? "");
    }
  }
  return files;
}

function valuesOf({ program, settings }: Service): readonly string[] {
  if (program === "smtpd") return [settings.sasl_oauth_introspection_login];
  if (program !== "smtp" && program !== "lmtp") return [];
  return settings[`${program}_sasl_auth_enable`] ? [settings[`${program}_sasl_password_maps`]] : [];
}

function pathOf(spec: string, { directory }: Configuration): string {
  const name = spec.slice(spec.lastIndexOf(":") + 1);
  const context = { directory, parameter: () => undefined, warn: () => {}, clock: () => 0 };
  return resolvePath(name, context);
}
