import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { expandTemplate, parseTemplate, TemplateNeeds } from "../query_file/query_template.ts";
import { bindQuery, type SqlDialect, SqlTemplateFault } from "./sql_query.ts";
import { statementText } from "./sql_template.ts";

/** The statement with the values of its parameters behind it, for the key `a@b.c`. */
function bound(dialect: SqlDialect, template: string): string {
  const pieces = parseTemplate(template, "query")!;
  try {
    const query = bindQuery(pieces, dialect);
    const key = new TemplateNeeds(pieces).ofKey("a@b.c")!;
    const values = query.holes.map((hole) => expandTemplate(hole.pieces, { key }));
    return [statementText(query, (hole) => `$${hole}`), ...values].join(" | ");
  } catch (error) {
    if (error instanceof SqlTemplateFault) return `fault: ${error.message}`;
    throw error;
  }
}

const NAME = "fault: a part of the key would be a part of the statement itself, such as a name; " +
  "only values in quotes can be bound";

const ROWS: readonly (readonly [dialects: string, template: string, want: string])[] = [
  ["all", "SELECT x FROM t WHERE k = '%s'", "SELECT x FROM t WHERE k = $0 | a@b.c"],
  ["all", "SELECT x FROM t WHERE k='%u@%d' AND y='n'", "SELECT x FROM t WHERE k=$0 AND y='n' | a@b.c"],
  ["all", "SELECT x FROM t WHERE k LIKE '%%%s%%'", "SELECT x FROM t WHERE k LIKE $0 | %a@b.c%"],
  ["all", "SELECT x FROM t WHERE k LIKE '%%x'", "SELECT x FROM t WHERE k LIKE '%x'"],
  ["all", "SELECT '%u', '%d', '%2', '%1'", "SELECT $0, $1, $2, $3 | a | b.c | b | c"],
  ["all", "SELECT lower('%s')", "SELECT lower($0) | a@b.c"],
  ["all", "SELECT x FROM t WHERE k = %s", "SELECT x FROM t WHERE k = $0 | a@b.c"],
  ["all", "SELECT x FROM t WHERE k=%s;", "SELECT x FROM t WHERE k=$0 | a@b.c"],
  ["all", "SELECT f(%u,%d)", "SELECT f($0,$1) | a | b.c"],
  ["all", "SELECT 'it''s %s'", "SELECT $0 | it's a@b.c"],
  ["all", "SELECT '''%s'''", "SELECT $0 | 'a@b.c'"],
  ["all", "SELECT 'it''s' || '%s'", "SELECT 'it''s' || $0 | a@b.c"],
  ["all", "SELECT '' || '%s'", "SELECT '' || $0 | a@b.c"],
  ["all", "SELECT x FROM t_%d WHERE k = '%s'", NAME],
  ["all", "SELECT x FROM %d_t WHERE k = '%s'", NAME],
  ["all", "SELECT x FROM t.%d WHERE k = '%s'", NAME],
  ["all", "SELECT x FROM t WHERE k = %u@%d", NAME],
  ["all", "SELECT x FROM t WHERE k = %u%d", NAME],
  ["all", "SELECT 1%s", NAME],
  ["all", "SELECT x FROM t WHERE k = 'a'%s", NAME],
  ["all", "SELECT '%s", "fault: a string has no closing quote"],
  ["all", "SELECT /* '%s */ x FROM t -- where '%s", "SELECT   x FROM t"],
  ["all", "SELECT x'41' WHERE k = '%s'", "SELECT x'41' WHERE k = $0 | a@b.c"],
  ["all", "SELECT x'%s'", "fault: x'...' cannot hold a part of the key; write '...'"],
  ["pgsql", "SELECT X FROM \"t%%\" WHERE k = '%s'", 'SELECT X FROM "t%" WHERE k = $0 | a@b.c'],
  ["pgsql sqlite", 'SELECT "a""\'b" FROM t WHERE k = \'%s\'', 'SELECT "a""\'b" FROM t WHERE k = $0 | a@b.c'],
  ["pgsql", 'SELECT "%s"', NAME],
  ["pgsql", "SELECT E'\\'%s\\\\\\n\\x41\\101\\u00e9'", "SELECT $0 | 'a@b.c\\\nAA\u00e9"],
  ["pgsql", "SELECT E'it\\'s', '%s'", "SELECT E'it\\'s', $0 | a@b.c"],
  ["pgsql", "SELECT E'\\xc3%s'", "fault: \\xc3 is no character that can stand beside a part of the key"],
  ["pgsql", "SELECT E'\\%s'", "fault: a backslash stands before a part of the key; put two for one"],
  ["pgsql", "SELECT 'a\\', '%s'", "SELECT 'a\\', $0 | a@b.c"],
  ["pgsql", "SELECT 'a\\%s'", "SELECT $0 | a\\a@b.c"],
  ["pgsql", "SELECT U&'\\0041%s'", "fault: U&'...' cannot hold a part of the key; write '...'"],
  ["pgsql", "SELECT U&\"x\", '%s'", 'SELECT U&"x", $0 | a@b.c'],
  ["pgsql", "SELECT $$it's$$, '%s'", "SELECT $$it's$$, $0 | a@b.c"],
  ["pgsql", "SELECT $$%s$$, $q$'%u$$'$q$", "SELECT $0, $1 | a@b.c | 'a$$'"],
  ["pgsql", "SELECT $$%s", "fault: a string in dollar quotes has no end"],
  ["pgsql", "SELECT $1, '%s'", 'fault: "$1" stands for a parameter here, and nothing sets it'],
  ["pgsql", "SELECT a$1, '%s'", "SELECT a$1, $0 | a@b.c"],
  ["pgsql", "SELECT 'a'\n '%s'", "SELECT $0 | aa@b.c"],
  ["pgsql", "SELECT '%s' '%s'", "SELECT $0 $1 | a@b.c | a@b.c"],
  ["pgsql", "SELECT inet '%s', date'%s'", "SELECT CAST($0 AS inet), CAST($1 AS date) | a@b.c | a@b.c"],
  ["pgsql", "SELECT '%s'::inet, j->>'x', a ? 'b'", "SELECT $0::inet, j->>'x', a ? 'b' | a@b.c"],
  ["pgsql", "SELECT /* a /* '%s' */ ' */ '%s'", "SELECT   $0 | a@b.c"],
  ["pgsql", "SELECT /* a '%s'", "fault: a comment has no end"],
  ["pgsql", "SELECT 5 # 3, '%s'", "SELECT 5 # 3, $0 | a@b.c"],
  ["pgsql", "SELECT `%u`", NAME],
  ["mysql", 'SELECT "%s", `a\'b` FROM t', "SELECT $0, `a'b` FROM t | a@b.c"],
  ["mysql", "SELECT `%s`", NAME],
  ["mysql", "SELECT 'it\\'s %s'", "SELECT $0 | it's a@b.c"],
  ["mysql", "SELECT 'it\\'s', '%s'", "SELECT 'it\\'s', $0 | a@b.c"],
  ["mysql", "SELECT '\\%%\\_\\n\\0\\Z\\q%s'", "SELECT $0 | \\%\\_\n\0\x1aqa@b.c"],
  ["mysql", "SELECT '\\%s'", "fault: a backslash stands before a part of the key; put two for one"],
  ["mysql", "SELECT 'a' '%s' \"b\"", "SELECT $0 | aa@b.cb"],
  ["mysql", "SELECT 'a' 'b', '%s'", "SELECT 'a' 'b', $0 | a@b.c"],
  [
    "mysql",
    "SELECT _utf8mb4'%s', N'%s', _binary '%s'",
    "SELECT $0, $1, CAST($2 AS binary) | a@b.c | a@b.c | a@b.c",
  ],
  [
    "mysql",
    "SELECT _latin1'%s'",
    "fault: the character set _latin1 before a part of the key; leave it out",
  ],
  ["mysql", "SELECT x # '%s'\n, '%s'", "SELECT x  \n, $0 | a@b.c"],
  ["mysql", "SELECT 5--3, '%s' -- '%s'", "SELECT 5--3, $0 | a@b.c"],
  ["mysql", "SELECT /*!50000 '%s' */ x, /*+ h */ y", "SELECT /*!50000 $0 */ x, /*+ h */ y | a@b.c"],
  ["mysql", "SELECT ?, '%s'", 'fault: "?" stands for a parameter here, and nothing sets it'],
  ["mysql", "SELECT @x, '%s'", "SELECT @x, $0 | a@b.c"],
  ["mysql", "CALL lookup('%s')", "CALL lookup($0) | a@b.c"],
  ["sqlite", 'SELECT "%s" FROM t', "SELECT $0 FROM t | a@b.c"],
  ["sqlite", "SELECT [a'b], `c'd` FROM t WHERE k='%s'", "SELECT [a'b], `c'd` FROM t WHERE k=$0 | a@b.c"],
  ["sqlite", "SELECT [%s]", NAME],
  ["sqlite", "SELECT ':x', '%s'", "SELECT ':x', $0 | a@b.c"],
  ["sqlite", "SELECT :x, '%s'", 'fault: ":" stands for a parameter here, and nothing sets it'],
  ["sqlite", "SELECT 'a\\', '%s'", "SELECT 'a\\', $0 | a@b.c"],
];

describe("bindQuery()", () => {
  for (const [dialects, template, want] of ROWS) {
    const list = dialects === "all" ? ["pgsql", "mysql", "sqlite"] : dialects.split(" ");
    for (const dialect of list as SqlDialect[]) {
      test(`${dialect}: ${template}`, () => expect(bound(dialect, template)).toBe(want));
    }
  }

  const plain = (template: string) => bindQuery(parseTemplate(template, "query")!, "pgsql").isPlainSelect;
  test("tells one statement that reads from others", () => {
    for (
      const text of [
        "select 1",
        "SELECT 1 ; ;",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "values (1)",
        "table t",
      ]
    ) {
      expect([text, plain(text)]).toEqual([text, true]);
    }
    for (
      const text of [
        "select 1; select 2",
        "insert into t values (1) returning k",
        "with a as (delete from t returning k) select k from a",
        "select k from t for update",
        "update t set k = 1",
        "call f()",
      ]
    ) expect([text, plain(text)]).toEqual([text, false]);
    expect(plain("select 'delete', \"insert\" /* update */ from t")).toBe(true);
    expect(plain("select ';' from t;")).toBe(true);
  });

  test("a statement does not depend on the key, and the values hold all of it", () => {
    const part = fc.constantFrom(
      "%s",
      "%u",
      "%d",
      "%%",
      "'",
      "''",
      '"',
      "\\",
      " ",
      "a",
      "--",
      "/*",
      "*/",
      "$$",
      "?",
      "\n",
      ";",
      "`",
    );
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 25 }),
        fc.constantFrom<SqlDialect>("pgsql", "mysql", "sqlite"),
        (parts, dialect) => {
          const pieces = parseTemplate(parts.join(""), "query");
          if (pieces === undefined) return;
          try {
            const query = bindQuery(pieces, dialect);
            const text = statementText(query, () => "?");
            expect(text).not.toMatch(/%[sud]/);
            expect(query.text.length).toBe(query.holes.length + 1);
          } catch (error) {
            expect(error).toBeInstanceOf(SqlTemplateFault);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
