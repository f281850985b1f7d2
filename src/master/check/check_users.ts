import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { splitList } from "../../config/syntax/list.ts";
import { isReadableByOthers } from "../../platform/file/readable_by_others.ts";
import { INTERNAL_MECHANISMS } from "../../sasl/internal/internal_backend.ts";
import { parseStored, type StoredPassword } from "../../sasl/password/stored_password.ts";
import { resolvePath, type TableContext } from "../../table/context.ts";
import { isInProcess, openTable, tableType } from "../../table/table_types.ts";
import type { Finding } from "./finding.ts";
import { type TablePlace, tablePlace } from "./table_place.ts";
import { placeOf, placeText } from "./place_of.ts";

/** So many users are named in one finding. */
const MOST_NAMES = 4;

/** Where smtpd_sasl_type = internal: mechanisms that nobody, or not everybody, can use, and entries that are no passwords. */
export function checkUsers(configuration: Configuration, tables: TableContext): Finding[] {
  const seen = new Set<string>();
  return configuration.services.filter(isInternal).flatMap((service) => {
    const { sasl_users: users, sasl_mechanisms: mechanisms } = service.settings;
    const key = `${users}\n${mechanisms}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const found = splitList(users).map((spec) => readUsers(spec, tables));
    return [
      ...mechanismFindings(service, configuration, found.flatMap(({ users }) => users)),
      ...found.flatMap(({ findings }) => findings),
    ];
  });
}

function isInternal({ program, settings, closed }: Service): boolean {
  return program === "smtpd" && closed === undefined && settings.smtpd_sasl_auth_enable &&
    settings.smtpd_sasl_type === "internal";
}

interface User {
  readonly name: string;
  readonly stored: readonly StoredPassword[];
}

interface Users {
  readonly users: readonly User[];
  readonly findings: readonly Finding[];
}

function warning(text: string, more: Partial<Finding> = {}): Finding {
  return { severity: "warning", text, consequence: text, parameter: "sasl_users", ...more };
}

/** What a table says without asking anybody. */
function readUsers(spec: string, tables: TableContext): Users {
  const type = spec.slice(0, spec.indexOf(":"));
  if (!isInProcess(type)) return { users: [], findings: [] };
  const file = resolvePath(spec.slice(spec.indexOf(":") + 1), tables);
  const isFile = tableType(type)?.index !== undefined || tableType(type)?.keyed === true;
  const exposed = isFile && isReadableByOthers(file)
    ? [
      warning(
        `${file}: sasl_users: every user of this machine may read these passwords: chmod o-rwx ${file}`,
        { file },
      ),
    ]
    : [];
  const table = openTable(spec, tables);
  try {
    const [users, bad]: [User[], Finding[]] = [[], []];
    for (const entry of table.possible?.(() => true) ?? []) {
      if (entry.is !== "key") continue;
      const stored = parseStored(entry.value);
      if (!("is" in stored)) users.push({ name: entry.key, stored });
      else if (bad.length < MOST_NAMES) {
        bad.push(badEntry(tablePlace(spec, tables, entry.line), entry.key, stored.why));
      }
    }
    return { users, findings: [...exposed, ...bad] };
  } finally {
    table.close();
  }
}

function badEntry({ text, at }: TablePlace, key: string, why: string): Finding {
  return warning(`${text}: sasl_users: ${key} cannot log in: ${why}`, at);
}

/** What is stored, for each mechanism that wants more than a password to compare. */
const NEEDS: Readonly<Record<string, readonly StoredPassword["is"][]>> = {
  "SCRAM-SHA-256": ["scram", "plain"],
  "SCRAM-SHA-256-PLUS": ["scram", "plain"],
  "CRAM-MD5": ["plain"],
};
const TOKENS = new Set(["OAUTHBEARER", "XOAUTH2"]);

function mechanismFindings(
  service: Service,
  configuration: Configuration,
  users: readonly User[],
): Finding[] {
  const { settings } = service;
  const place = placeText(placeOf("sasl_mechanisms", service, configuration));
  const hasTokens = settings.sasl_oauth_keys !== "" || settings.sasl_oauth_introspection !== "";
  return splitList(settings.sasl_mechanisms).map((name) => name.toUpperCase()).flatMap((name) => {
    const say = (text: string) => [
      warning(`${place}: sasl_mechanisms: ${text}`, {
        parameter: "sasl_mechanisms",
        service: serviceKey(service),
      }),
    ];
    if (!INTERNAL_MECHANISMS.includes(name)) {
      return say(`no mechanism "${name}": there are ${INTERNAL_MECHANISMS.join(", ")}`);
    }
    if (TOKENS.has(name) && !hasTokens) {
      return say(`${name} is not offered without sasl_oauth_keys or sasl_oauth_introspection`);
    }
    const without = users.filter(({ stored }) =>
      NEEDS[name]?.some((kind) => stored.some(({ is }) => is === kind)) === false
    );
    return without.length === 0 ? [] : say(
      `${
        namesOf(without)
      } cannot log in with ${name}, which their clients may take: "mta user passwd" stores what it needs`,
    );
  });
}

function namesOf(users: readonly User[]): string {
  const more = users.length - MOST_NAMES;
  const names = users.slice(0, MOST_NAMES).map(({ name }) => name).join(", ");
  return more > 0 ? `${names} and ${more} more` : names;
}
