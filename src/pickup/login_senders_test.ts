import { expect, test } from "bun:test";
import type { OpenTables } from "../rewrite/open_tables.ts";
import { openLoginSenders } from "./login_senders.ts";

/** As postconf(5) has it for example: a login name and what it may use. */
const TABLE: Readonly<Record<string, string>> = {
  root: "*",
  ann: "ann@example.com, @example.org <>",
  bob: '"bob, jr"@example.com bob',
};

function mayUse(login: string, sender: string, value = "hash:/logins") {
  const openTables = {
    maps: () => ({
      whole: {
        find: (key: string) => {
          if (key === "broken") return { is: "trouble", retry: true, why: "no server" };
          return TABLE[key] === undefined ? { is: "absent" } : { is: "found", value: TABLE[key] };
        },
      },
    }),
  } as unknown as OpenTables;
  const settings = {
    local_login_sender_maps: value,
    empty_address_local_login_sender_maps_lookup_key: "<>",
    recipient_delimiter: "+",
    owner_request_special: true,
  };
  return openLoginSenders(settings, openTables)(login, sender);
}

test.each([
  ["root", "anybody@example.net", true],
  ["root", "", true],
  ["ann", "ANN@example.com", true],
  ["ann", "ann+lists@example.com", true],
  ["ann", "ann", false],
  ["ann", "bob@example.com", false],
  ["ann", "whoever@Example.ORG", true],
  ["ann", "whoever@sub.example.org", false],
  ["ann", "", true],
  ["bob", "", false],
  ["bob", "bob", true],
  ["bob", "bob, jr@example.com", true],
  ["bob", "jr@example.com", false],
  ["carl", "carl@example.com", false],
])("whether %s may send as <%s>: %p", (login, sender, may) => {
  const expected = may
    ? undefined
    : { is: "forbidden" as const, why: `not authorized to use sender='${sender}'` };
  expect(mayUse(login, sender)).toEqual(expected);
});

test("by default everybody may send as anybody, and where the table has no answer nobody knows", () => {
  expect(mayUse("carl", "ann@example.com", "static:*")).toBeUndefined();
  expect(mayUse("broken", "ann@example.com")).toMatchObject({ is: "trouble" });
});
