import { describe, expect, test } from "bun:test";
import { testContext } from "../_test_context.ts";
import { openDomainFilter } from "./query_domain.ts";
import { QueryFileFault, readQueryFile, withQueryFile } from "./query_file.ts";
import { ResultGatherer } from "./query_result.ts";
import { expandTemplate, isDynamic, parseTemplate, TemplateNeeds } from "./query_template.ts";
import { openTable } from "../table_types.ts";
import { plainTable } from "../unavailable.ts";
import { ABSENT } from "../table.ts";

/** What a query comes to for a key; undefined when nothing is looked up. */
function query(template: string, key: string): string | undefined {
  const pieces = parseTemplate(template, "query")!;
  const parts = new TemplateNeeds(pieces).ofKey(key);
  return parts === undefined ? undefined : expandTemplate(pieces, { key: parts });
}

describe("a query template (db_common)", () => {
  test.each([
    ["%s", "ann@example.org", "ann@example.org"],
    ["%u|%d|%S|%U|%D", "ann@example.org", "ann|example.org|ann@example.org|ann|example.org"],
    ["%3.%2.%1", "ann@mail.example.org", "mail.example.org"],
    ["%1", "ann@a.b.c.d", "d"],
    ["100%%", "ann", "100%"],
    ["%u", "ann", "ann"],
    ["%u", "ann@", "ann"],
    ["%u", "a@b@c", "a@b"],
    ["%d", "a@b@c", "c"],
    ["%d", "ann", undefined],
    ["%d", "ann@", undefined],
    ["%u", "@example.org", undefined],
    ["%d", "@example.org", "example.org"],
    ["%s", "@example.org", "@example.org"],
    ["%u@%d", "@example.org", undefined],
    ["%2", "ann@example", undefined],
    ["%2", "ann", undefined],
    ["%2", "ann@example..org", "example"],
    ["%s", "", undefined],
    ["no expansion", "ann", "no expansion"],
  ])("%s of %s is %s", (template, key, want) => expect(query(template, key)).toBe(want!));

  test.each(["%", "%x", "a%", "%0", "% s"])(
    "%s is refused",
    (template) => expect(parseTemplate(template, "query")).toBeUndefined(),
  );

  test("quotes what it fills in, and nothing else", () => {
    const pieces = parseTemplate("(mail=%s)%%", "query")!;
    const key = new TemplateNeeds(pieces).ofKey("a*b")!;
    expect(expandTemplate(pieces, { key, quote: (text) => text.replace("*", "\\2a") })).toBe(
      "(mail=a\\2ab)%",
    );
    expect([isDynamic(pieces), isDynamic(parseTemplate("%%", "query")!)]).toEqual([true, false]);
  });
});

describe("a result template", () => {
  const gather = (format: string, values: readonly (string | null)[], limit = 0) => {
    const context = testContext();
    const pieces = parseTemplate(format, "result")!;
    const needs = new TemplateNeeds(parseTemplate("%s", "query")!, pieces);
    const key = needs.ofKey("ann@example.org")!;
    const gatherer = new ResultGatherer(
      { spec: "x:y", format: pieces, needs, limit, warn: context.warn },
      key,
    );
    const taken = values.map((value) => gatherer.add(value));
    return { answer: gatherer.answer(), taken, warnings: context.warnings };
  };

  test.each([
    ["%s", ["one", "two"], "one,two"],
    ["<%u|%d|%s>", ["a@b"], "<a|b|a@b>"],
    ["%U at %D gets %s", ["x"], "ann at example.org gets x"],
    ["%d", ["bare", "a@b"], "b"],
    ["%u", ["@b", "a@b", "bare"], "a,bare"],
    ["%2", ["x"], "example"],
    ["OK", ["x", "y"], "OK,OK"],
  ])(
    "%s of %j is %s",
    (format, values, want) => expect(gather(format, values).answer).toEqual({ is: "found", value: want }),
  );

  test("NULL is skipped, nothing is skipped with a warning", () => {
    expect(gather("%s", [null, null]).answer).toBe(ABSENT);
    const { answer, warnings } = gather("%s", ["", "x"]);
    expect(answer).toEqual({ is: "found", value: "x" });
    expect(warnings).toEqual(['table "x:y": empty lookup result for: "ann@example.org" -- ignored']);
  });

  test("more results than the limit are trouble, and no more are taken", () => {
    expect(gather("%s", ["a", "b"], 2).answer).toEqual({ is: "found", value: "a,b" });
    const over = gather("%s", ["a", "b", "c"], 2);
    expect(over.taken).toEqual([true, true, false]);
    expect(over.answer).toMatchObject({ is: "trouble", retry: true });
    expect(gather("%d", ["bare", "bare", "a@b"], 1).answer).toEqual({ is: "found", value: "b" });
  });
});

describe("the attributes of a table", () => {
  const main = (values: Readonly<Record<string, string>>) =>
    readQueryFile("mine", [], testContext({ parameter: (name) => values[name.replace(/^mine_/, "")] }));
  const complaint = (call: () => unknown): string => {
    try {
      call();
      return "none";
    } catch (error) {
      if (error instanceof QueryFileFault) return error.message;
      throw error;
    }
  };

  test("stand in main.cf for a name without a slash", () => {
    const file = main({ query: "SELECT 1", n: " 5 ", yes: "YES", hosts: "a, b {c d}", empty: "" });
    expect([file.text("query"), file.text("empty"), file.text("none")]).toEqual([
      "SELECT 1",
      undefined,
      undefined,
    ]);
    expect([file.isSet("empty"), file.isSet("none")]).toEqual([true, false]);
    expect([file.integer("none", 7), file.flag("yes", false), file.flag("none", true)]).toEqual([
      7,
      true,
      true,
    ]);
    expect(file.list("hosts")).toEqual(["a", "b", "c d"]);
    expect(file.where("query")).toBe("main.cf: mine_query");
  });

  test("that are wrong are named with their place and value", () => {
    const file = main({ a: "x", b: "5.5", c: "99", d: "maybe", e: "" });
    expect(complaint(() => file.integer("a", 0))).toBe("main.cf: mine_a: bad numerical configuration: a = x");
    expect(complaint(() => file.integer("b", 0))).toMatch(/bad numerical configuration: b = 5.5/);
    expect(complaint(() => file.integer("c", 0, 1, 10))).toBe(
      "main.cf: mine_c: invalid c parameter value 99 > 10",
    );
    expect(complaint(() => file.integer("c", 0, 100))).toBe(
      "main.cf: mine_c: invalid c parameter value 99 < 100",
    );
    expect(complaint(() => file.flag("d", true))).toMatch(/bad boolean configuration: d = maybe/);
    expect(complaint(() => file.integer("e", 3))).toMatch(/bad numerical/);
  });

  test("of a file: unknown ones and repeated ones are warned of, and no message shows a password", () => {
    const context = testContext({
      lent: {},
      directory: import.meta.dir,
    });
    const path = `${import.meta.dir}/../../../test/fixtures/query_files/odd.cf`;
    const file = readQueryFile(path, ["password", "query", "hosts"], context);
    expect(file.text("password")).toBe("second-hush");
    expect(context.warnings.map((text) => text.replaceAll(path, "FILE"))).toEqual([
      "FILE, line 4: overriding earlier entry: password",
      'FILE, line 5: unknown attribute "qurey" is ignored; did you mean "query"?',
    ]);
    expect(file.where("query")).toBe(`${path}, line 6`);
    const broken = complaint(() => readQueryFile(path.replace("odd", "broken"), [], context));
    expect(broken).toEndWith(`broken.cf, line 3: missing '=' after attribute name; expected "name = value"`);
    expect(broken + context.warnings.join()).not.toContain("hush");
  });

  test("that cannot be read make a table that answers trouble", () => {
    const context = testContext();
    const table = withQueryFile(
      "/nosuch.cf",
      "x:/nosuch.cf",
      { context, attributes: [] },
      () => plainTable("", () => ABSENT),
    );
    expect(table.lookup("a")).toMatchObject({
      is: "trouble",
      retry: false,
      why: "x:/nosuch.cf is unavailable. open /nosuch.cf: No such file or directory",
    });
    expect(context.warnings).toEqual(["x:/nosuch.cf: open /nosuch.cf: No such file or directory"]);
  });
});

describe("the domain attribute", () => {
  const admits = (domain: string, key: string) => {
    const context = testContext({ parameter: (name) => name === "x_domain" ? domain : undefined });
    return Object(openDomainFilter(readQueryFile("x", [], context), { context, open: openTable }).admits(key))
      .is;
  };
  test.each([
    ["", "anything", "yes"],
    ["example.org", "a@example.org", "yes"],
    ["example.org", "a@EXAMPLE.org", "yes"],
    ["example.org", "a@sub.example.org", "no"],
    ["example.org", "example.org", "no"],
    ["example.org", "a", "no"],
    ["example.org", "a@", "no"],
    ["!example.org, static:all", "a@example.org", "no"],
    ["!example.org, static:all", "a@other.org", "yes"],
    ["inline:{example.org=x}", "a@example.org", "yes"],
    ["fail:x", "a@example.org", "trouble"],
    ["fail:x", "a", "no"],
  ])("%s with %s: %s", (domain, key, want) => expect(admits(domain, key)).toBe(want));
});
