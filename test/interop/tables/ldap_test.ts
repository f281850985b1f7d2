// ldap tables on a real OpenLDAP server, beside the real postmap(1): same values, same exit status, same reasons.
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testContext } from "../../../src/table/_test_context.ts";
import { openTable } from "../../../src/table/table_types.ts";
import type { Answer, Table } from "../../../src/table/table.ts";
import { DIRECTORY, FAR, referral } from "../../kit/servers/ldap_directory.ts";
import { ADMIN, ADMIN_PASSWORD, type Slapd, startSlapd, SUFFIX } from "../../kit/servers/slapd.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "root",
  "postfix",
  "postfix-ldap",
  "slapd",
  "openssl",
);

const runner = join(import.meta.dir, "../../kit/run_command.ts");
let slapd: Slapd;
let far: Slapd;
let root = "";
let files = 0;

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), "ldap-"));
  writeMain([]);
  far = await startSlapd({ ldif: FAR });
  slapd = await startSlapd({ ldif: `${DIRECTORY}\n${referral(far.url)}`, tls: true });
});
afterAll(async () => {
  await slapd?.stop();
  await far?.stop();
  fs.rmSync(root, { recursive: true });
});

/** Writes a file that looks old: Postfix waits a second or two before it trusts one that was just written. */
function write(name: string, lines: readonly string[]): string {
  const path = join(root, name);
  fs.writeFileSync(path, `${lines.join("\n")}\n`);
  fs.utimesSync(path, 1_600_000_000, 1_600_000_000);
  return path;
}

const writeMain = (lines: readonly string[]) =>
  write("main.cf", ["compatibility_level = 3.6", "myhostname = mta.example.com", ...lines]);

/** Writes a query file: the server and base, unless the lines have their own. */
function file(lines: readonly string[]): string {
  const has = (name: string) => lines.some((line) => line.startsWith(`${name} =`));
  const all = [
    ...(has("server_host") ? [] : [`server_host = ${slapd.url}`]),
    ...(has("search_base") ? [] : [`search_base = ${SUFFIX}`]),
    ...lines,
  ];
  return `ldap:${write(`table${++files}.cf`, all)}`;
}

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(command: string, args: readonly string[]): Promise<Run> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const texts = { out: "", err: "" };
  child.stdout.on("data", (chunk) => texts.out += chunk);
  child.stderr.on("data", (chunk) => texts.err += chunk);
  const [status] = await once(child, "close");
  return { status, ...texts };
}

const real = (spec: string, key: string) => run("/usr/sbin/postmap", ["-c", root, "-q", key, spec]);

/** Opens a table that is closed at the end of the test's body. */
async function withTable<T>(
  spec: string,
  body: (table: Table, warnings: readonly string[]) => Promise<T>,
): Promise<T> {
  const context = testContext({ asPostmap: true, clock: Date.now });
  const table = openTable(spec, context);
  try {
    return await body(table, context.warnings);
  } finally {
    table.close();
  }
}

/** What the command would print for an answer. */
const shown = (answer: Answer) => answer.is === "found" ? `${answer.value}\n` : "";

interface Case {
  readonly lines: readonly string[];
  readonly keys: readonly string[];
  /** Part of both our reason and Postfix's, where the lookup is trouble. */
  readonly why?: string;
}

const MAIL = "query_filter = (mail=%s)";
const CASES: Readonly<Record<string, Case>> = {
  "one attribute, several values, no such entry, odd characters": {
    lines: [MAIL],
    keys: [
      ...["ann@example.org", "ANN@Example.ORG", "bob@example.org", "nobody@example.org", "*@example.org"],
      ...[
        "a(b)@example.org",
        "back\\slash@example.org",
        "comma@example.org",
        "atonly@example.org",
        "*",
        ")(",
      ],
    ],
  },
  "the default filter, with a key in UTF-8": {
    lines: [],
    keys: ["jörg@bücher.example", "JÖRG@bücher.example"],
  },
  "several attributes": {
    lines: [MAIL, "result_attribute = mailHost, maildrop mail"],
    keys: ["cat@example.org", "ann@example.org"],
  },
  "a result format with parts of the result": {
    lines: [MAIL, "result_format = %u at %d for %s"],
    keys: ["ann@example.org", "atonly@example.org"],
  },
  "a result format with parts of the key": {
    lines: [MAIL, "result_format = %U.%2.%1 %%%D"],
    keys: ["ann@example.org", "ann"],
  },
  "the old name of the result format": {
    lines: [MAIL, "result_filter = smtp:[%s]"],
    keys: ["bob@example.org"],
  },
  "parts of the key in the filter": {
    lines: ["query_filter = (&(cn=%u)(mail=%u@%d)(objectClass=*))"],
    keys: ["ann@example.org", "ann", "@example.org", "ann@"],
  },
  "parts of the key in the base": {
    lines: ["search_base = ou=%d,ou=groups,dc=example,dc=org", MAIL],
    keys: ["dan@example.net", "dan@example.com", "ann@example.org", "x@a,b", "dan"],
  },
  "labels of the domain": {
    lines: ["search_base = dc=%2,dc=%1", MAIL],
    keys: ["ann@example.org", "ann@org", "ann@mail.example.org", "ann@.org"],
  },
  "a filter over several lines": {
    lines: ["query_filter = (&(objectClass=inetOrgPerson)", "  ( mail=%s) (!(cn=bob)) )"],
    keys: ["ann@example.org", "bob@example.org"],
  },
  "a filter without parentheses": { lines: ["query_filter = mail=%s"], keys: ["bob@example.org"] },
  "a filter with every kind of comparison": {
    lines: [
      "query_filter = (|(&(mail=%u@*)(mail=*@*ple.o*))(mail~=%s)(&(cn>=%u)(cn<=%u))(cn:caseExactMatch:=%u)(2.5.4.3=%u))",
    ],
    keys: ["bob@example.org", "cat@example.org"],
  },
  "escaped bytes in a filter": {
    lines: ["query_filter = (&(mail=\\61nn@*)(mail=%s))"],
    keys: ["ann@example.org"],
  },
  "a group's members": {
    lines: [MAIL, "special_result_attribute = member", "leaf_result_attribute = mail", "result_attribute ="],
    keys: ["staff@example.org", "more@example.org", "ann@example.org", "gone@example.org"],
  },
  "a group's members and what stands in the group": {
    lines: [MAIL, "special_result_attribute = member"],
    keys: ["staff@example.org", "more@example.org"],
  },
  "terminal attributes": {
    lines: [
      ...[MAIL, "special_result_attribute = member", "leaf_result_attribute = mail"],
      ...["terminal_result_attribute = maildrop", "result_attribute ="],
    ],
    keys: ["staff@example.org", "more@example.org"],
  },
  "URLs in groups": {
    lines: [MAIL, "special_result_attribute = member, memberURL", "result_attribute = maildrop"],
    keys: ["dynamic@example.org"],
  },
  "URLs that hide attributes": {
    lines: [MAIL, "special_result_attribute = memberURL", "result_attribute = mail maildrop"],
    keys: ["dynamic@example.org"],
  },
  "a URL that is none": {
    lines: [MAIL, "special_result_attribute = memberURL"],
    keys: ["badurl@example.org"],
    why: "malformed URL ldap://[bad/url",
  },
  "a group in itself": {
    lines: [MAIL, "special_result_attribute = member"],
    keys: ["loop@example.org"],
    why: "Recursion limit exceeded for special attribute member=cn=",
  },
  "the recursion limit": {
    lines: [MAIL, "special_result_attribute = member", "recursion_limit = 1"],
    keys: ["staff@example.org"],
    why: "Recursion limit exceeded for special attribute member=cn=ann,",
  },
  "just within the recursion limit": {
    lines: [MAIL, "special_result_attribute = member", "recursion_limit = 3"],
    keys: ["staff@example.org"],
  },
  "the expansion limit": {
    lines: [MAIL, "expansion_limit = 1"],
    keys: ["ann@example.org"],
    why: "Expansion limit exceeded for key: 'ann@example.org'",
  },
  "just within the expansion limit": { lines: [MAIL, "expansion_limit = 2"], keys: ["ann@example.org"] },
  "the size limit": {
    lines: ["query_filter = (cn=*)", "size_limit = 2"],
    keys: ["x"],
    why: "Search error 4: Size limit exceeded",
  },
  "scope base": { lines: [MAIL, "scope = base"], keys: ["ann@example.org"] },
  "scope one": {
    lines: ["search_base = ou=people,dc=example,dc=org", MAIL, "scope = ONE"],
    keys: ["ann@example.org", "dan@example.net"],
  },
  "a scope that is none": { lines: [MAIL, "scope = tree"], keys: ["ann@example.org"] },
  "the domain filter": {
    lines: [MAIL, "domain = example.org, !example.net, inline:{example.com=1}"],
    keys: ["ann@example.org", "dan@example.net", "ann", "@example.org", "x@example.com"],
  },
  "aliases that are followed": {
    lines: ["search_base = ou=people,dc=example,dc=org", MAIL, "dereference = 1"],
    keys: ["dan@example.net"],
  },
  "aliases that are not": {
    lines: ["search_base = ou=people,dc=example,dc=org", MAIL, "dereference = 2"],
    keys: ["dan@example.net"],
  },
  "aliases at the base": {
    lines: ["search_base = cn=nick,ou=people,dc=example,dc=org", MAIL, "dereference = 2"],
    keys: ["dan@example.net"],
  },
  "a dereference that is none": { lines: [MAIL, "dereference = 4"], keys: ["ann@example.org"] },
  "referrals that are not followed": { lines: [MAIL], keys: ["fay@example.org"] },
  "referrals that are": {
    lines: [MAIL, "chase_referrals = yes"],
    keys: ["fay@example.org", "ann@example.org"],
  },
  "a base elsewhere, not followed": {
    lines: ["search_base = ou=far,dc=example,dc=org", MAIL],
    keys: ["fay@example.org"],
    why: "Search error 10: Referral",
  },
  "a base elsewhere, followed": {
    lines: ["search_base = ou=far,dc=example,dc=org", MAIL, "chase_referrals = yes"],
    keys: ["fay@example.org", "ann@example.org"],
  },
  "no such base": {
    lines: ["search_base = dc=nowhere", MAIL],
    keys: ["ann@example.org"],
    why: "Search base 'dc=nowhere' not found: 32: No such object",
  },
  "a base that is no DN": {
    lines: ["search_base = nonsense", MAIL],
    keys: ["ann@example.org"],
    why: "Search error 34: Invalid DN syntax",
  },
  "a filter that is none": {
    lines: ["query_filter = (mail=%s"],
    keys: ["ann@example.org", "x)(cn=*"],
    why: "Search error -7: Bad search filter",
  },
  "a fixed filter": { lines: ["query_filter = (cn=bob)"], keys: ["x"] },
  "who we are": {
    lines: [MAIL, `bind_dn = ${ADMIN}`, `bind_pw = ${ADMIN_PASSWORD}`],
    keys: ["ann@example.org"],
  },
  "without a bind": { lines: [MAIL, "bind = no"], keys: ["ann@example.org"] },
  "no bind by its other name": { lines: [MAIL, "bind = none"], keys: ["ann@example.org"] },
  "a wrong password": {
    lines: [MAIL, "bind = simple", `bind_dn = ${ADMIN}`, "bind_pw = wrong"],
    keys: ["ann@example.org"],
    why: `with dn ${ADMIN}: 49 (Invalid credentials)`,
  },
  "a server that is down": {
    lines: ["server_host = ldap://127.0.0.1:1", MAIL],
    keys: ["ann@example.org"],
    why: "-1 (Can't contact LDAP server)",
  },
};

describe("beside the real postmap", () => {
  for (const [title, { lines, keys, why }] of Object.entries(CASES)) {
    test.concurrent(title, async () => {
      const spec = file(lines);
      await withTable(spec, async (table) => {
        for (const key of keys) {
          const [theirs, ours] = await Promise.all([real(spec, key), table.lookup(key)]);
          expect({ key, out: shown(ours) }).toEqual({ key, out: theirs.out });
          expect({ key, trouble: ours.is === "trouble" }).toEqual({
            key,
            trouble: /fatal:/.test(theirs.err),
          });
          if (why !== undefined) {
            expect(theirs.err).toContain(why);
            expect(ours.is === "trouble" ? ours.why : "").toContain(why);
          }
        }
      });
    });
  }

  test("server_host in all its forms", async () => {
    const dead = "127.0.0.1:1";
    for (
      const host of [
        ...[slapd.ldapi, `127.0.0.1:${slapd.port}`, `ldap://127.0.0.1:1, ${slapd.url}`],
        ...[`${dead} ${dead}, 127.0.0.1:${slapd.port}`, `localhost\nserver_port = ${slapd.port}`],
      ]
    ) {
      const spec = file([`server_host = ${host}`, MAIL]);
      const answer = await withTable(spec, async (table) => await table.lookup("bob@example.org"));
      expect([host, shown(answer)]).toEqual([host, (await real(spec, "bob@example.org")).out]);
      expect(answer.is).toBe("found");
    }
  });

  test("the attributes in main.cf, under the table's name", async () => {
    const lines = [
      `people_server_host = ${slapd.url}`,
      `people_search_base = ${SUFFIX}`,
      "people_query_filter = (mail=%s)",
    ];
    writeMain(lines);
    const args = ["-c", root, "-q", "ann@example.org", "ldap:people"];
    const ours = await run(process.execPath, [runner, "postmap", ...args]);
    expect(ours).toEqual(await run("/usr/sbin/postmap", args));
    expect(ours.out).toBe("ann@host.example,ann@second.example\n");
  });

  test("the command says the same, with the reason in its last line", async () => {
    for (const [lines, key] of [[[MAIL], "ann@example.org"], [[MAIL], "nobody@example.org"]] as const) {
      const spec = file(lines);
      expect(await run(process.execPath, [runner, "postmap", "-c", root, "-q", key, spec])).toEqual(
        await real(spec, key),
      );
    }
    const spec = file(["search_base = dc=nowhere", MAIL]);
    const ours = await run(process.execPath, [runner, "postmap", "-c", root, "-q", "x", spec]);
    expect(ours.status).toBe(1);
    expect(ours.err).toMatch(
      /^postmap: fatal: table ldap:\S+: query error: Search base 'dc=nowhere' not found/m,
    );
  });
});
