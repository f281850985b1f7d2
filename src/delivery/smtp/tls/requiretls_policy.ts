import { asciiDomain } from "../../../address/idna.ts";
import { parseIp } from "../../../address/ip.ts";
import { type MaybeAsync, then } from "../../../base/maybe_async.ts";
import { splitListRaw } from "../../../config/syntax/list.ts";
import type { OpenTables } from "../../../rewrite/open_tables.ts";
import type { Answer, Table } from "../../../table/table.ts";

/** How a sender's REQUIRETLS is taken for a next hop (postconf(5), smtp_requiretls_policy); `error`: the policy makes no sense. */
export type RequireTlsLevel = "enforce" | "opportunistic+starttls" | "opportunistic" | "disable" | "error";

const LEVELS: Readonly<Record<string, RequireTlsLevel>> = {
  enforce: "enforce",
  "opportunistic+starttls": "opportunistic+starttls",
  opportunistic: "opportunistic",
  disable: "disable",
  error: "error",
};

/** Whether mail that came under REQUIRETLS may not go out in the clear. */
export function demandsTls(level: RequireTlsLevel): boolean {
  return level === "enforce" || level === "opportunistic+starttls";
}

/** Answers the level for a next hop without brackets and port. */
export type RequireTlsPolicy = (nexthop: string) => MaybeAsync<RequireTlsLevel>;

interface Tools {
  readonly parameter: string;
  readonly openTables: Pick<OpenTables, "table"> | undefined;
  readonly warn: (text: string) => void;
}

/** Opens the policy: words and tables in turn, the first that says something counts; what nothing is said of is enforced. */
export function openRequireTlsPolicy(list: string, tools: Tools): RequireTlsPolicy {
  const items = splitListRaw(list).map((item) => openItem(item, tools));
  return (nexthop) => {
    const name = parseIp(nexthop) !== undefined ? nexthop : asciiDomain(nexthop);
    if (name === "") {
      tools.warn(
        `${tools.parameter}: malformed next-hop destination: '${nexthop}' -- using default policy 'enforce'`,
      );
      return "enforce";
    }
    const ask = (at: number): MaybeAsync<RequireTlsLevel> => {
      const item = items[at];
      return item === undefined ? "enforce" : then(item(name.toLowerCase()), (level) => level ?? ask(at + 1));
    };
    return ask(0);
  };
}

type Item = (name: string) => MaybeAsync<RequireTlsLevel | undefined>;

function openItem(item: string, { parameter, openTables, warn }: Tools): Item {
  if (!item.includes(":")) return () => levelOf(item, parameter, warn);
  const table = openTables?.table(item);
  if (table === undefined) return () => "error";
  return (name) => fromTable(table, name, { parameter, warn });
}

function levelOf(word: string, where: string, warn: (text: string) => void): RequireTlsLevel {
  const level = LEVELS[word.toLowerCase()];
  if (level === undefined) {
    warn(`${where}: unknown policy action: '${word}' -- ignoring the remainder of this policy`);
  }
  return level ?? "error";
}

function fromTable(
  table: Table,
  name: string,
  { parameter, warn }: Pick<Tools, "parameter" | "warn">,
): MaybeAsync<RequireTlsLevel | undefined> {
  const read = (answer: Answer): RequireTlsLevel | undefined => {
    if (answer.is === "absent") return undefined;
    if (answer.is === "trouble") {
      warn(`${parameter}: ${table.spec}: table lookup error -- ignoring the remainder of this policy`);
      return "error";
    }
    const kind = answer.value.includes(":")
      ? "nested"
      : /[, \t\r\n]/.test(answer.value)
      ? "composite"
      : undefined;
    if (kind === undefined) return levelOf(answer.value, table.spec, warn);
    warn(
      `table ${table.spec}: ${kind} lookup result "${answer.value}" is not allowed -- ignoring remainder of policy`,
    );
    return "error";
  };
  const ask = (key: string): MaybeAsync<RequireTlsLevel | undefined> =>
    then(table.lookup(key), (answer) => {
      const level = read(answer);
      const parent = key.indexOf(".", 1);
      const over = level !== undefined || parent < 0 || table.pattern || parseIp(name) !== undefined;
      return over ? level : ask(key.slice(parent));
    });
  return ask(name);
}
