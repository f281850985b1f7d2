import type { Setting } from "../scope.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { splitMatchList } from "../syntax/list.ts";

/** Lists that the service goes through for each connection to its control socket. */
const USER_LISTS: ReadonlySet<string> = new Set(["authorized_flush_users", "authorized_mailq_users"]);
const FILE_OR_TABLE = /^!?(?:\/|(?!static:)[a-z][a-z0-9_-]*:)/i;

/** Files and tables in such a list: they name nobody, so that who stands there is refused. */
export function checkUserLists(settings: readonly Setting[]): Diagnostic[] {
  return settings.filter(({ name }) => USER_LISTS.has(name)).flatMap(({ name, value, file, line }) =>
    splitMatchList(value).items.filter((item) => FILE_OR_TABLE.test(item)).map((item) => ({
      level: "warning" as const,
      text: `${name}: files and tables are not looked into, and name nobody: ${item}`,
      file,
      ...(line !== undefined && { line }),
      parameter: name,
      value,
      hint: "write the users' names, or static:anyone",
    }))
  );
}
