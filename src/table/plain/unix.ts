import { systemErrorText } from "../../platform/system_error.ts";
import { groupByName, userByName } from "../../platform/process/users.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { plainTable, unavailable } from "../unavailable.ts";

/** The line of passwd(5) or group(5) for a name; passwords are never shown. */
const DATABASES: Readonly<Record<string, (name: string) => string | undefined>> = {
  "passwd.byname": (name) => {
    const user = userByName(name);
    return user && [user.name, "x", user.uid, user.gid, user.gecos, user.home, user.shell].join(":");
  },
  "group.byname": (name) => {
    const group = groupByName(name);
    return group && [group.name, "x", group.gid, (group.members ?? []).join(",")].join(":");
  },
};

/** `unix:passwd.byname`, `unix:group.byname`: the system's users and groups (DATABASE_README). */
export function openUnix(name: string, spec: string): Table {
  if (!Object.hasOwn(DATABASES, name)) return unavailable(spec, `unknown table: ${spec}`, false);
  const find = DATABASES[name]!;
  return plainTable(spec, (key): Answer => {
    try {
      const value = key.includes("\0") ? undefined : find(key);
      return value === undefined ? ABSENT : { is: "found", value };
    } catch (error) {
      return {
        is: "trouble",
        retry: true,
        why: `${spec}: ${systemErrorText(error)}`,
      };
    }
  });
}
