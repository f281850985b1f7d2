import type { QueryFile } from "../query_file/query_file.ts";
import { expandTemplate, type Parts, type Piece, readTemplate } from "../query_file/query_template.ts";

/** The commands that a table may send, with the number of their arguments: they read, and their replies are values. */
const COMMANDS: Readonly<Record<string, number>> = {
  EXISTS: 1,
  GET: 1,
  HEXISTS: 2,
  HGET: 2,
  LRANGE: 3,
  SISMEMBER: 2,
  SMEMBERS: 1,
};

/** A command with templates for arguments: what stands for a part of the key never becomes another argument. */
export interface RedisQuery {
  readonly command: string;
  readonly args: readonly (readonly Piece[])[];
}

/** Reads `query`, such as `GET virtual:%s` or `HGET aliases %u`; refuses (by a QueryFileFault) what is no lookup. */
export function readRedisQuery(file: QueryFile): RedisQuery {
  const [written = "", ...args] = (file.text("query") ?? "GET %s").trim().split(/\s+/);
  const command = written.toUpperCase();
  if (!Object.hasOwn(COMMANDS, command)) {
    return file.refuse("query", `${written} is no lookup; use one of ${Object.keys(COMMANDS).join(", ")}`);
  }
  const wanted = COMMANDS[command]!;
  if (args.length !== wanted) {
    return file.refuse(
      "query",
      `${command} takes ${wanted} argument${wanted > 1 ? "s" : ""}, not ${args.length}`,
    );
  }
  return { command, args: args.map((arg) => readTemplate(file, "query", arg, "query")) };
}

/** The words to send for a key. */
export function redisWords({ command, args }: RedisQuery, key: Parts): readonly string[] {
  return [command, ...args.map((arg) => expandTemplate(arg, { key }))];
}
