import { TABLE_PARAMETERS } from "../../config/parameters/table_parameters.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { RedisConnection, RedisReply, RedisServer, RedisTls } from "../../platform/database/redis.ts";
import { systemCa } from "../../platform/socket/certificate_authorities.ts";
import { type OpenType, resolvePath, type TableContext } from "../context.ts";
import { parseEndpoint, serverDirectory } from "../remote/server_endpoint.ts";
import { readTableFile } from "../text/table_file.ts";
import { openDomainFilter, whenAdmitted } from "../query_file/query_domain.ts";
import { type QueryFile, withQueryFile } from "../query_file/query_file.ts";
import { ResultGatherer, type ResultRules } from "../query_file/query_result.ts";
import { type Parts, readTemplate, TemplateNeeds } from "../query_file/query_template.ts";
import { readRedisQuery, type RedisQuery, redisWords } from "./redis_command.ts";
import { RedisLine } from "./redis_server.ts";
import { LookupFault, remoteTable } from "../remote/remote_table.ts";
import { textFromWire } from "../remote/remote_text.ts";
import { Servers } from "../remote/servers.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { unproven } from "../unavailable.ts";

/** Longest value, in bytes, and most members of a list or set that are taken for an answer. */
const MAX_VALUE = 100_000;
const MAX_VALUES = 10_000;

/**
 * `redis:/etc/mta/file.cf`: a Redis server, our own type. A server without a password proves nothing: anybody on its network may
 * have written what it says.
 */
export const openRedis: OpenType = (name, spec, context, open) =>
  withQueryFile(name, spec, { context, attributes: TABLE_PARAMETERS.redis! }, (file) => {
    if (context.paranoid === true && file.text("password") === undefined) return unproven(spec, context);
    return redisTable(spec, file, context, open);
  });

function redisTable(
  spec: string,
  file: QueryFile,
  context: TableContext,
  open: Parameters<OpenType>[3],
): Table {
  const timeout = file.integer("timeout", 5, 1) * 1000;
  const query = readRedisQuery(file);
  const rules = rulesOf(spec, file, query, context);
  const domain = openDomainFilter(file, { context, open });
  const lines = serversOf(file, context).map(({ name, server }) => new RedisLine(name, server, timeout));
  const servers = new Servers(spec, lines, context, { nameOf: ({ name }) => name, order: "listed" });
  const close = () => {
    domain.close();
    for (const line of lines) line.close();
  };
  const lookup = async (key: Parts, signal: AbortSignal): Promise<Answer> => {
    const values = await servers.ask((line) => line.use((one) => ask(one, query, key)), signal);
    return answerOf(values, rules, key, context);
  };
  const deadline = timeout * 2 * lines.length + 1000;
  const pattern = rules.needs.isPartial || domain.restricts;
  return remoteTable(spec, context, { deadline, pattern, close }, (key, signal) => {
    const parts = rules.needs.ofKey(key);
    return parts === undefined ? ABSENT : whenAdmitted(domain, key, () => lookup(parts, signal), ABSENT);
  });
}

function rulesOf(spec: string, file: QueryFile, { args }: RedisQuery, context: TableContext): ResultRules {
  const format = readTemplate(file, "result_format", file.text("result_format") ?? "%s", "result");
  const limit = file.integer("expansion_limit", 0);
  return { spec, format, needs: new TemplateNeeds(...args, format), limit, warn: context.warn };
}

interface NamedServer {
  readonly name: string;
  readonly server: RedisServer;
}

function serversOf(file: QueryFile, context: TableContext): readonly NamedServer[] {
  const hosts = file.list("hosts");
  const [user, password] = [file.text("user"), file.text("password")];
  if (user !== undefined && password === undefined) file.refuse("user", "there is no password with it");
  const tls = tlsOf(file, context);
  const common = {
    database: file.integer("database", 0),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
  };
  return (hosts.length === 0 ? ["localhost"] : hosts).map((host) => {
    const endpoint = parseEndpoint(withDefaults(host), serverDirectory(context));
    if (endpoint.is === "bad") return file.refuse("hosts", endpoint.why);
    const { to } = endpoint;
    if ("path" in to && password !== undefined) {
      return file.refuse(
        "hosts",
        `${host}: the client cannot log in over a unix socket; use TCP, or no password`,
      );
    }
    if ("path" in to && tls !== undefined) {
      return file.refuse("hosts", `${host}: there is no TLS over a unix socket; use TCP, or tls = no`);
    }
    return { name: host, server: { ...common, to, ...(tls !== undefined && { tls }) } };
  });
}

/** `host`, `host:port` and `[address]` go without `inet:`, and the port is 6379 unless given. */
function withDefaults(host: string): string {
  if (/^(?:unix|local):/.test(host)) return host;
  const place = host.replace(/^inet:/, "");
  return /^(?:\[[^\]]*\]|[^:]*)$/.test(place) ? `inet:${place}:6379` : `inet:${place}`;
}

const TLS_ATTRIBUTES = ["tls_CAfile", "tls_cert_file", "tls_key_file", "tls_verify_cert"];

/** Whoever says how TLS shall be wants it: without `tls = yes` the password would go out in the clear. */
function tlsOf(file: QueryFile, context: TableContext): RedisTls | undefined {
  if (!file.flag("tls", false)) {
    const idle = TLS_ATTRIBUTES.find((attribute) => file.isSet(attribute));
    return idle === undefined ? undefined : file.refuse(idle, `${idle} has no effect without tls = yes`);
  }
  const read = (attribute: string): string | undefined => {
    const path = file.text(attribute);
    if (path === undefined) return undefined;
    try {
      return readTableFile(resolvePath(path, context), context).toString("utf8");
    } catch (error) {
      return file.refuse(attribute, `open ${path}: ${systemErrorText(error)}`);
    }
  };
  const [cert, key] = [read("tls_cert_file"), read("tls_key_file")];
  return {
    ca: read("tls_CAfile") ?? systemCa(),
    verify: file.flag("tls_verify_cert", true),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

/** What a server answers, as values: none, one, or the members of a list or set. */
async function ask(connection: RedisConnection, query: RedisQuery, key: Parts): Promise<readonly Buffer[]> {
  const words = redisWords(query, key);
  if (query.command === "SMEMBERS") return valuesOf(await connection.send(words)).toSorted(Buffer.compare);
  if (query.command !== "GET") return valuesOf(await connection.send(words));
  const value = await connection.get(words[1]!);
  return value === null ? [] : [Buffer.from(value.buffer, value.byteOffset, value.byteLength)];
}

function valuesOf(reply: RedisReply): readonly Buffer[] {
  if (reply === null || reply === false || reply === 0) return [];
  if (typeof reply !== "object") return [Buffer.from(reply === true ? "1" : String(reply))];
  if (reply.length > MAX_VALUES) throw new LookupFault(`more than ${MAX_VALUES} members`);
  return reply.flatMap(valuesOf);
}

function answerOf(values: readonly Buffer[], rules: ResultRules, key: Parts, context: TableContext): Answer {
  const gatherer = new ResultGatherer(rules, key);
  for (const value of values) {
    if (!gatherer.add(textOf(value, key, context))) break;
  }
  return gatherer.answer();
}

const REPLACEMENT = Buffer.from("\ufffd");

/** A value that is no text would be a wrong one; all but GET's come with U+FFFD where the bytes are none. */
function textOf(value: Buffer, key: Parts, context: TableContext): string {
  if (value.length > MAX_VALUE) {
    throw new LookupFault(`key "${key.whole}": value longer than ${MAX_VALUE} bytes`);
  }
  const text = value.includes(REPLACEMENT) ? undefined : textFromWire(value, context);
  if (text !== undefined) return text;
  throw new LookupFault(`key "${key.whole}": non-UTF-8 value`, { retry: false });
}
