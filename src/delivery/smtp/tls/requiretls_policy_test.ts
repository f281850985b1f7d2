import { expect, test } from "bun:test";
import { configurationOf } from "../../../../test/kit/memory/memory_smtpd.ts";
import { createOpenTables } from "../../../rewrite/open_tables.ts";
import { openRequireTlsPolicy } from "./requiretls_policy.ts";

function policy(list?: string) {
  const warnings: string[] = [];
  const configuration = configurationOf({ myhostname: "mail.example.org", mydomain: "example.org" });
  const openTables = createOpenTables({
    directory: "/nonexistent",
    parameter: (name) => configuration.parameter(name),
    warn: (text) => warnings.push(text),
    clock: () => 0,
  });
  const text = list ?? configuration.parameter("smtp_requiretls_policy")!;
  const tools = {
    parameter: "smtp_requiretls_policy",
    openTables,
    warn: (each: string) => warnings.push(each),
  };
  const levelFor = openRequireTlsPolicy(text, tools);
  return { warnings, levels: (...names: string[]) => names.map((name) => levelFor(name)) };
}

test("by default REQUIRETLS is enforced beyond our own domain, this machine and addresses", () => {
  const { levels, warnings } = policy();
  expect(levels("example.com", "example.org", "a.b.example.org", "EXAMPLE.ORG")).toEqual([
    "enforce",
    "opportunistic",
    "opportunistic",
    "opportunistic",
  ]);
  expect(levels("localhost", "192.0.2.1", "2001:db8::1", "notexample.org")).toEqual([
    "opportunistic",
    "opportunistic",
    "opportunistic",
    "enforce",
  ]);
  expect(warnings).toEqual([]);
});

test("words are read in any case, the first that says something counts", () => {
  expect(policy("Opportunistic+STARTTLS enforce").levels("x")).toEqual(["opportunistic+starttls"]);
  expect(policy("disable").levels("x")).toEqual(["disable"]);
  expect(policy("").levels("x")).toEqual(["enforce"]);
  expect(
    policy("inline:{{one.example = enforce}, {.two.example = disable}}, opportunistic").levels(
      "ONE.example",
      "a.one.example",
      "two.example",
      "a.b.two.example",
    ),
  ).toEqual(["enforce", "opportunistic", "opportunistic", "disable"]);
});

test("names beyond ASCII are asked for as A-labels", () => {
  expect(policy("inline:{xn--bcher-kva.example=disable}").levels("Bücher.example", "bücher.example.com"))
    .toEqual([
      "disable",
      "enforce",
    ]);
});

test("pattern tables see the whole name only", () => {
  const { levels } = policy("regexp:{{/^\\.x\\.example$/ disable}, {/^y/ disable}}, opportunistic");
  expect(levels("a.x.example", "y.example")).toEqual(["opportunistic", "disable"]);
});

test("what makes no sense is an error, and said", () => {
  const rows = [
    [
      "maybe",
      "smtp_requiretls_policy: unknown policy action: 'maybe' -- ignoring the remainder of this policy",
    ],
    [
      "inline:{x=may}, disable",
      "inline:{x=may}: unknown policy action: 'may' -- ignoring the remainder of this policy",
    ],
    [
      "inline:{{x=enforce disable}}",
      'table inline:{{x=enforce disable}}: composite lookup result "enforce disable" is not allowed -- ignoring ' +
      "remainder of policy",
    ],
    [
      "inline:{{x=hash:y}}",
      'table inline:{{x=hash:y}}: nested lookup result "hash:y" is not allowed -- ignoring remainder of policy',
    ],
    [
      "hash:/nonexistent/table",
      "smtp_requiretls_policy: hash:/nonexistent/table: table lookup error -- ignoring the remainder of this policy",
    ],
  ] as const;
  for (const [list, warning] of rows) {
    const { levels, warnings } = policy(list);
    expect([list, levels("x")]).toEqual([list, ["error"]]);
    expect(warnings).toContain(warning);
  }
});
