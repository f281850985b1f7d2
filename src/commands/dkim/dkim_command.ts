import { asciiDomain } from "../../address/idna.ts";
import { covers, reportKeys } from "../../cleanup/signing/report_keys.ts";
import { signingEntries } from "../../cleanup/signing/signing_entries.ts";
import { parsed } from "../../cleanup/signing/signing_keys.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { splitList } from "../../config/syntax/list.ts";
import { createSystemResolver } from "../../dns/system_resolver.ts";
import { parseSigningKey, printTxt, publicRecord } from "../../mailauth/dkim/signing_key.ts";
import { isOpenToAll } from "../../platform/file/private_file.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { createOpenTables, type OpenTables } from "../../rewrite/open_tables.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import type { CommandContext } from "../command.ts";
import { settingsOf } from "../service_control.ts";
import { DKIM_HELP, type DkimRequest, parseDkimArguments } from "./_arguments.ts";
import { printFindings, statusOf } from "./_check.ts";
import { genkey, recordOf, zoneLine } from "./_genkey.ts";

const USAGE = 64;

/** `mta dkim`: keys that mail is signed with. */
export async function dkim(context: CommandContext): Promise<number> {
  const request = parseDkimArguments(context.args);
  if (request === "help") return (writeOut(DKIM_HELP), 0);
  if ("why" in request) return fail(`${request.why} ("mta dkim --help" says more)`, USAGE);
  const configuration = settingsOf(context, ["dkim_signing_keys"]);
  if (configuration === undefined) return 1;
  const tables = openTablesOf(configuration);
  try {
    return await carryOut(request, configuration, tables);
  } finally {
    tables.close();
  }
}

function carryOut(
  request: DkimRequest,
  configuration: LightConfiguration,
  tables: OpenTables,
): number | Promise<number> {
  switch (request.action) {
    case "genkey": {
      const { directory, settings: { dkim_signing_keys: tables, myhostname } } = configuration;
      const hasTable = splitList(tables).length > 0;
      const why = genkey(request, { directory, now: Date.now(), hasTable, myhostname });
      return why === undefined ? 0 : fail(why, 1);
    }
    case "record":
      return record(request, configuration, tables);
    case "check":
      return check(request, configuration, tables);
  }
}

function fail(text: string, status: number): number {
  writeErr(`mta dkim: fatal: ${text}\n`);
  return status;
}

function openTablesOf(configuration: LightConfiguration): OpenTables {
  return createOpenTables({
    directory: configuration.directory,
    parameter: (name) => configuration.parameter(name),
    warn: (text) => writeErr(`mta dkim: warning: ${text}\n`),
    clock: Date.now,
  });
}

const read = (path: string) => ownTlsFiles.read(path);

async function record(
  { of, json }: Extract<DkimRequest, { readonly action: "record" }>,
  { settings }: LightConfiguration,
  tables: OpenTables,
): Promise<number> {
  const isFile = /^\.{0,2}\//.test(of);
  const domain = asciiDomain(of).toLowerCase();
  const { entries } = await signingEntries(settings.dkim_signing_keys, isFile ? [] : [domain], tables);
  const named = entries.filter((entry) =>
    isFile ? "path" in entry.source && entry.source.path === of : covers(entry, domain)
  );
  if (named.length === 0) {
    return isFile ? recordOfFile(of, json) : fail(`dkim_signing_keys has no key for ${domain}`, 1);
  }
  const answers = named.map((entry) =>
    parsed(entry, () => "path" in entry.source ? read(entry.source.path) : entry.source.text)
  );
  for (const answer of answers) {
    if ("fault" in answer) return fail(answer.fault, 1);
  }
  const keys = answers.flatMap((answer) => "key" in answer ? [answer.key] : []);
  writeOut(json ? `${JSON.stringify({ records: keys.map(recordOf) })}\n` : keys.map(zoneLine).join(""));
  return 0;
}

/** A file that no table names: whose key it is, is not known. */
function recordOfFile(path: string, json: boolean): number {
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    return fail(`${path}: ${systemErrorText(error)}`, 1);
  }
  const key = parseSigningKey("", "", text, 0);
  if ("fault" in key) return fail(`${path}: ${key.fault}`, 1);
  writeOut(json ? `${JSON.stringify({ record: publicRecord(key) })}\n` : `${printTxt(publicRecord(key))}\n`);
  return 0;
}

async function check(
  { domains, json }: Extract<DkimRequest, { readonly action: "check" }>,
  { settings }: LightConfiguration,
  tables: OpenTables,
): Promise<number> {
  if (splitList(settings.dkim_signing_keys).length === 0) {
    return fail("dkim_signing_keys is empty: no mail is signed", 1);
  }
  const resolver = createSystemResolver(splitList(settings.dns_servers));
  const findings = await reportKeys(settings, { resolver, read, isOpenToAll, openTables: tables }, domains);
  printFindings(findings, json);
  return statusOf(findings);
}
