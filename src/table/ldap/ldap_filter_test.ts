import { expect, test } from "bun:test";
import fc from "fast-check";
import { type LdapFilter, parseFilter, quoteForDn, quoteForFilter } from "./ldap_filter.ts";
import { LdapFault } from "./ldap_result_codes.ts";

/** A filter as one would say it. */
function said(filter: LdapFilter): string {
  switch (filter.is) {
    case "and":
    case "or":
      return `${filter.is}[${filter.of.map(said).join(" ")}]`;
    case "not":
      return `not[${said(filter.of)}]`;
    case "present":
      return `${filter.attribute} present`;
    case "substrings":
      return `${filter.attribute} ~ ${filter.pieces.join("|")}`;
    case "extensible":
      return `${filter.attribute} ${filter.ofDn ? "dn " : ""}${filter.rule} ${filter.value}`;
    default:
      return `${filter.attribute} ${filter.is} ${filter.value}`;
  }
}

test.each([
  ["(mail=a@b)", "mail equal a@b"],
  ["mail=a@b", "mail equal a@b"],
  ["  (mail= a b )  ", "mail equal  a b "],
  ["(&(a=1)(|(b=2)(!(c=3))))", "and[a equal 1 or[b equal 2 not[c equal 3]]]"],
  ["( & ( a=1) \t(b=2) )", "and[a equal 1 b equal 2]"],
  ["(&)", "and[]"],
  ["(a=*)", "a present"],
  ["(a=x*y*)", "a ~ x|y|"],
  ["(a=*\\2a*)", "a ~ |*|"],
  ["(a>=1)", "a greater 1"],
  ["(a<=1)", "a less 1"],
  ["(a~=1)", "a approximate 1"],
  ["(cn;lang-de=x)", "cn;lang-de equal x"],
  ["(2.5.4.3=x)", "2.5.4.3 equal x"],
  ["(cn:caseExactMatch:=x)", "cn caseExactMatch x"],
  ["(cn:dn:2.4.6:=x)", "cn dn 2.4.6 x"],
  ["(:dn:2.4.6:=x)", " dn 2.4.6 x"],
  ["(cn:=x)", "cn  x"],
  ["(a=\\c3\\a9\\28)", "a equal é("],
])("%s is %s", (text, meaning) => expect(said(parseFilter(text))).toBe(meaning));

test.each([
  ...[
    "",
    "(",
    "()",
    "(a)",
    "(=x)",
    "(a=b",
    "(a=b))",
    "(a=b)(c=d)",
    "(a=b(c)",
    "(a=\\4)",
    "(a=\\zz)",
    "(a=b)x",
  ],
  ...[
    "(!)",
    "(&(a=b)",
    "(a b=c)",
    "(a:b:c=d)",
    "(:=x)",
    "(a=b\0)",
    "(".repeat(5000),
    "(!".repeat(5000) + "(a=b)",
  ],
])("%p is refused", (text) => expect(() => parseFilter(text)).toThrow(LdapFault));

test("no key changes a filter's form: its value is the key, whatever that contains", () => {
  const hostile = fc.array(
    fc.oneof(
      fc.constantFrom("*", "(", ")", "\\", "\0", "&", "|", "!", "=", "\\2a", ")(uid=*", " "),
      fc.string(),
    ),
    { maxLength: 8 },
  ).map((parts) => parts.join("")).filter((text) => text !== "" && text.isWellFormed());
  fc.assert(
    fc.property(hostile, (key) => {
      const filter = parseFilter(`(&(objectClass=x)(|(mail=${quoteForFilter(key)})(cn=*)))`);
      const value = Buffer.from(key);
      expect(filter).toEqual({
        is: "and",
        of: [
          { is: "equal", attribute: "objectClass", value: Buffer.from("x") },
          {
            is: "or",
            of: [{ is: "equal", attribute: "mail", value }, { is: "present", attribute: "cn" }],
          },
        ],
      });
    }),
  );
});

test("no key adds to a DN: nothing that separates is left of it", () => {
  fc.assert(
    fc.property(fc.string(), (key) => {
      const quoted = quoteForDn(key);
      expect(quoted).not.toMatch(/[\0 \t"#+,;<=>]|\\(?![0-9A-F]{2})/);
      const back = quoted.replace(/\\([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      expect(back).toBe(key);
    }),
  );
});

test("whatever text it is, a filter is read or refused", () => {
  const text = fc.array(
    fc.constantFrom("(", ")", "&", "|", "!", "=", "*", "\\", "a", ":", "2a", ">", "~", " ", ";"),
  );
  fc.assert(fc.property(text, (parts) => {
    try {
      parseFilter(parts.join(""));
    } catch (error) {
      expect(error).toBeInstanceOf(LdapFault);
    }
  }));
});
