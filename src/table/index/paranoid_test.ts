// Tables that say what is run, where files are written or whose rights are used (DICT_FLAG_PARANOID).
import { describe, expect, test } from "bun:test";
import { testContext } from "../_test_context.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import { openTable } from "../table_types.ts";

describe("a table that says what is run", () => {
  test.each([
    "socketmap:inet:127.0.0.1:1:x",
    "tcp:127.0.0.1:1",
    "memcache:/etc/mta/x.cf",
    "proxy:tcp:127.0.0.1:1",
    "unionmap:{tcp:127.0.0.1:1}",
    "pipemap:{static:x, tcp:127.0.0.1:1}",
  ])("%s is refused, and nothing is asked", async (spec) => {
    const context = testContext({ paranoid: true });
    const answer = await openTable(spec, context).lookup("root");
    expect(answer).toMatchObject({ is: "trouble", retry: false });
    expect(context.warnings.join()).toContain("map is not allowed for security-sensitive data");
  });

  test.each(["regexp", "pcre"])("a %s rule that puts parts of the key into the value is skipped", (type) => {
    const rules = `${type}:{{/^(.*)-now$/ |run $1}, {/^list$/ ann}, {/^(x)y$/ plain}}`;
    const context = testContext({ paranoid: true });
    const table = openTable(rules, context);
    expect(table.lookup("rm-now")).toEqual({ is: "absent" });
    expect(table.lookup("list")).toMatchObject({ is: "found", value: "ann" });
    expect(table.lookup("xy")).toMatchObject({ is: "found", value: "plain" });
    expect(context.warnings).toEqual([
      `${type} map ${
        rules.slice(type.length + 1)
      }, line 1: regular expression substitution is not allowed: skipping this rule`,
    ]);
    expect(openTable(rules, testContext()).lookup("rm-now")).toMatchObject({ value: "|run rm" });
  });

  test("is opened apart from the same table in another use", () => {
    const openTables = createOpenTables(testContext());
    const spec = "regexp:{{/^(.*)$/ $1}}";
    expect(openTables.table(spec).lookup("a")).toMatchObject({ is: "found" });
    expect(openTables.paranoid.table(spec).lookup("a")).toEqual({ is: "absent" });
    expect(openTables.paranoid.maps(spec, "aliases")?.whole.find("a")).toEqual({ is: "absent" });
    openTables.close();
  });
});
