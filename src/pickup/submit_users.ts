import type { TableContext } from "../table/context.ts";

const TITLE = "authorized_submit_users";

/**
 * Whether the user of that name may hand in mail (authorized_submit_users): names, `!name`, files, tables. Undefined when he may, else why
 * not; one whom the system does not know is `unknown`.
 */
export async function submitRefusal(
  users: string,
  name: string,
  context: TableContext,
): Promise<"not listed" | { readonly trouble: string } | undefined> {
  if (/^\s*static:/.test(users)) return undefined;
  // sendmail runs once a message: it loads tables where there are some to ask.
  const { openDomainList } = await import("../table/search/match_list.ts");
  const { openTable } = await import("../table/table_types.ts");
  const list = openDomainList(users, { parentMatches: false, exact: true, title: TITLE }, {
    context,
    open: openTable,
  });
  try {
    const match = await list.matches(name);
    if (match.is === "trouble") return { trouble: match.why };
    return match.is === "yes" ? undefined : "not listed";
  } finally {
    list.close();
  }
}
