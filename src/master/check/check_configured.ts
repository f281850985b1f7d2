import { type Finding, findingOf } from "./finding.ts";
import { createAccessPolicy } from "../../access/create_policy.ts";
import { isPromise } from "../../base/maybe_async.ts";
import { splitList } from "../../config/syntax/list.ts";
import { parameters } from "../../config/parameters/parameters.ts";
import type { Configuration, Service } from "../../config/service.ts";
import { createLog } from "../../observe/create_log.ts";
import { memoryWriter } from "../../observe/log_writer.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { readPlain } from "../../platform/file/random_access_file.ts";
import { neverMatches } from "../../table/text/never_matching.ts";
import { openTable, tableType } from "../../table/table_types.ts";
import { readSource } from "../../table/text/source_records.ts";
import { LISTENING_PROGRAMS } from "../../config/listening_endpoints.ts";
import { proveServices } from "../../worker/service_relay_proof.ts";
import { namePatterns } from "./name_patterns.ts";
import { passwordKeys } from "./logins/password_keys.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import { checkCertificates } from "./check_certificates.ts";
import { checkDropFolder } from "./check_drop_folder.ts";
import { checkClientTls } from "./check_client_tls.ts";
import { checkServerTls } from "./check_server_tls.ts";
import { checkSigningKeys } from "./check_signing.ts";
import { checkSts } from "./check_sts.ts";
import { checkUsers } from "./check_users.ts";
import { checkVerification } from "./check_verification.ts";
import { smtpdBehind } from "../../config/smtpd_behind.ts";
import { relayFinding } from "./close_relays.ts";
import { startFindings } from "./start_findings.ts";
import { type MailWorld, openMailWorld } from "../../worker/services/mail_world.ts";

const LISTS = new Set(["list", "maps", "restriction-list"]);
/** Caches that come into being by themselves, lists of what others name, and users, whom only some services ask for. */
const NOT_SOURCES =
  /^(?:proxy_(?:read|write)_maps|address_verify_map|\w+_cache(?:_map|_database)?|\w+_session_cache_database|sasl_users)$/;

/** What of it a finding is about. */
export type Topic = "configuration" | "tables" | "certificates";

/** Findings about one thing. */
export interface TopicFindings {
  readonly topic: Topic;
  readonly findings: readonly Finding[];
}

/** What opening and reading everything that a configuration names brings to light: tables, keys, restrictions. None is there twice. */
export async function checkConfigured(configuration: Configuration): Promise<TopicFindings[]> {
  const writer = memoryWriter();
  const world = openMailWorld(configuration, createLog({ syslogName: "postfix", writer }));
  const about = (topic: Topic, findings: readonly Finding[]): TopicFindings => ({ topic, findings });
  const groups = [
    about("configuration", startFindings(configuration)),
    about("tables", checkTables(configuration, world)),
    about("configuration", [
      ...checkPolicies(configuration, world),
      ...checkVerification(configuration),
      ...checkDropFolder(configuration),
    ]),
    about("certificates", checkCertificates(configuration, ownTlsFiles)),
    about("configuration", [
      ...checkClientTls(configuration, ownTlsFiles),
      ...checkServerTls(configuration, ownTlsFiles),
      ...await checkSts(configuration, world.resolver),
      ...await checkSigningKeys(configuration, world, ownTlsFiles),
    ]),
    about("tables", [
      ...namePatterns(configuration).map(findingOf),
      ...checkUsers(configuration, { ...world.tables, warn: () => {} }),
      ...passwordKeys(configuration, { ...world.tables, warn: () => {} }),
    ]),
    about("configuration", (await proveServices(configuration)).map(relayFinding)),
  ];
  world.close();
  const noted = writer.entries.map(({ text }): Finding => ({ severity: "warning", text }));
  return withoutRepeats([...groups, about("tables", noted)]);
}

function withoutRepeats(groups: readonly TopicFindings[]): TopicFindings[] {
  const seen = new Set<string>();
  return groups.map(({ topic, findings }) => ({
    topic,
    findings: findings.filter(({ text }) => !seen.has(text) && seen.add(text)),
  }));
}

/** The restrictions of every smtpd, as at the start of the service. */
function checkPolicies(configuration: Configuration, world: MailWorld): Finding[] {
  const listening = configuration.services.filter(({ program }) => LISTENING_PROGRAMS.has(program));
  return listening.flatMap((entry) => {
    const service = smtpdBehind(entry, configuration.services);
    const { router, local, openTables, resolver: dns } = {
      ...world,
      router: world.routerFor(service.settings),
    };
    const policy = createAccessPolicy(service, { router, local, openTables, dns, clock: () => 0 });
    policy.close();
    // What forbids to serve, the check of the files has found already.
    return policy.problems.filter(({ level }) => level === "warning").map(({ text }): Finding => ({
      severity: "warning",
      text: `${place(service, configuration)}: ${text}`,
    }));
  });
}

function place({ name, type, line }: Service, { directory }: Configuration): string {
  return `${directory}/master.cf, line ${line}, service ${name}/${type}`;
}

/** Every `type:name` that a parameter holds, with the first parameter that does. */
function specsOf(configuration: Configuration): Map<string, string> {
  const specs = new Map<string, string>();
  const take = (parameter: string, value: string) => {
    for (const word of splitList(value)) {
      const type = /^!?(?:proxy:)?([a-z_]+):./.exec(word)?.[1];
      const spec = word.replace(/^!/, "").replace(/^proxy:/, "");
      if (type !== undefined && tableType(type) !== undefined && !specs.has(spec)) specs.set(spec, parameter);
    }
  };
  const scopes = [configuration, ...configuration.services];
  for (const scope of scopes) {
    for (const [name, row] of Object.entries(parameters)) {
      if (LISTS.has(row.type) && !NOT_SOURCES.test(name)) take(name, scope.parameter(name) ?? "");
    }
    for (const name of splitList(scope.parameter("smtpd_restriction_classes") ?? "")) {
      take(name, scope.parameter(name) ?? "");
    }
  }
  for (const { settings } of configuration.services.filter(asksUsers)) {
    take("sasl_users", settings.sasl_users);
  }
  return specs;
}

/** Whether logins go by `sasl_users`, whose default names a file that nobody else has. */
function asksUsers({ program, settings }: Service): boolean {
  return program === "smtpd" && settings.smtpd_sasl_auth_enable && settings.smtpd_sasl_type === "internal";
}

function checkTables(configuration: Configuration, world: MailWorld): Finding[] {
  return [...specsOf(configuration)].flatMap(([spec, parameter]) => {
    const findings: Finding[] = [];
    const warn = (text: string) => void findings.push({ severity: "warning", text });
    const type = tableType(spec.slice(0, spec.indexOf(":")));
    if (type?.local !== true) return findings;
    const table = openTable(spec, { ...world.tables, warn });
    const answer = table.lookup("mta-check.invalid");
    if (!isPromise(answer) && answer.is === "trouble") warn(`${parameter}: ${answer.why}`);
    table.close();
    if (type.keyed === true) checkKeys(spec, configuration.directory, warn);
    return findings;
  });
}

/** A larger source is not read only to look for keys that cannot match. */
const LARGEST_SOURCE = 64 << 20;

/** So many keys of a table are named. */
const MOST_KEYS = 4;

/** Keys that no lookup can match, and what to write instead (access(5)). */
function checkKeys(spec: string, directory: string, warn: (text: string) => void): void {
  const name = spec.slice(spec.indexOf(":") + 1);
  const path = name.startsWith("/") ? name : `${directory}/${name}`;
  let bytes: Buffer;
  try {
    bytes = readPlain(path, LARGEST_SOURCE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") warn(`table ${spec}: open ${path}: ${systemErrorText(error)}`);
    return; // an index without its source can be used as it is
  }
  const records = readSource(bytes, path, {
    format: "auto",
    fold: true,
    encoding: "utf8",
    warn,
    duplicate: () => {},
  });
  const never = [...records].flatMap(([key, { value, line }]) => {
    const instead = neverMatches(key, value);
    return instead === undefined ? [] : [`${path}, line ${line}: key "${key}" never matches: ${instead}`];
  });
  for (const text of never.slice(0, MOST_KEYS)) warn(text);
  if (never.length > MOST_KEYS) warn(`${path}: ${never.length - MOST_KEYS} more keys never match`);
}
