// A small company in LDIF, for the tests of ldap tables: people, aliases, groups of several kinds, and odd entries.
import { SUFFIX } from "./slapd.ts";

interface Entry {
  readonly [attribute: string]: string | readonly string[];
}

/** Writes entries as LDIF; values that are no plain ASCII are written as base64. */
function ldif(entries: Readonly<Record<string, Entry>>): string {
  return Object.entries(entries).map(([dn, attributes]) =>
    [line("dn", dn), ...Object.entries(attributes).flatMap(([name, values]) => lines(name, values)), ""].join(
      "\n",
    )
  ).join("\n");
}

const lines = (name: string, values: string | readonly string[]) =>
  (typeof values === "string" ? [values] : values).map((value) => line(name, value));

const line = (name: string, value: string) =>
  name.endsWith(":") || /^[\x21-\x39\x3b\x3d-\x7e][\x20-\x7e]*$/.test(value) && !value.endsWith(" ")
    ? `${name}: ${value}`
    : `${name}:: ${Buffer.from(value, "utf8").toString("base64")}`;

const person = (more: Entry): Entry => ({ objectClass: ["inetOrgPerson", "mailThing"], sn: "x", ...more });
const group = (more: Entry): Entry => ({ objectClass: ["groupOfNames", "mailThing"], ...more });
const people = `ou=people,${SUFFIX}`;
const groups = `ou=groups,${SUFFIX}`;
const url = (filter: string, attributes = "") => `ldap:///${people}?${attributes}?one?${filter}`;

/** Another server that has some of the people; `URL` is where it is. */
export const referral = (url: string) =>
  ldif({
    [`ou=far,${SUFFIX}`]: {
      objectClass: ["referral", "extensibleObject"],
      ou: "far",
      ref: `${url}/ou=far,${SUFFIX}??sub`,
    },
  });

/** What that other server holds. */
export const FAR = ldif({
  [`ou=far,${SUFFIX}`]: { objectClass: "organizationalUnit" },
  [`cn=fay,ou=far,${SUFFIX}`]: person({ mail: "fay@example.org", maildrop: "fay@far.example" }),
});

/** What the directory holds. */
export const DIRECTORY = ldif({
  [people]: { objectClass: "organizationalUnit" },
  [groups]: { objectClass: "organizationalUnit" },
  [`cn=ann,${people}`]: person({
    mail: "ann@example.org",
    maildrop: ["ann@host.example", "ann@second.example"],
  }),
  [`cn=bob,${people}`]: person({ mail: "bob@example.org", maildrop: "bob" }),
  [`cn=cat,${people}`]: person({
    mail: ["cat@example.org", "katze@example.org"],
    maildrop: "cat@host.example",
    mailHost: "mx.host.example",
  }),
  [`cn=José Núñez,${people}`]: person({ mail: "josé@example.org", maildrop: "josé@höst.example" }),
  [`cn=star,${people}`]: person({
    mail: ["*@example.org", "a(b)@example.org", "back\\slash@example.org"],
    maildrop: "star",
  }),
  [`cn=Last\\, First \\+ x,${people}`]: person({ mail: "comma@example.org", maildrop: "comma@host.example" }),
  [`cn=atonly,${people}`]: person({
    mail: "atonly@example.org",
    maildrop: ["@host.example", "unqualified", "x@y.example"],
  }),
  [`cn=bytes,${people}`]: person({ mail: "bytes@example.org", octets: "x\0y" }),
  [`cn=staff,${groups}`]: group({
    mail: "staff@example.org",
    member: [`cn=ann,${people}`, `cn=bob,${people}`, `cn=more,${groups}`],
  }),
  [`cn=more,${groups}`]: group({
    mail: "more@example.org",
    maildrop: "more-archive@example.org",
    member: [`cn=cat,${people}`, `cn=Last\\, First \\+ x,${people}`],
  }),
  [`cn=loop,${groups}`]: group({
    mail: "loop@example.org",
    member: [`cn=ann,${people}`, `cn=pool,${groups}`],
  }),
  [`cn=pool,${groups}`]: group({ mail: "pool@example.org", member: `cn=loop,${groups}` }),
  [`cn=gone,${groups}`]: group({
    mail: "gone@example.org",
    member: [`cn=nobody,${people}`, `cn=bob,${people}`],
  }),
  [`cn=dynamic,${groups}`]: group({
    mail: "dynamic@example.org",
    member: `cn=bob,${people}`,
    memberURL: [url("(mail=cat@*)"), url("(cn=ann)", "mail,maildrop"), url("(cn=bob)", "description")],
  }),
  [`ou=example.net,${groups}`]: { objectClass: "organizationalUnit" },
  [`cn=dan,ou=example.net,${groups}`]: person({ mail: "dan@example.net", maildrop: "dan@net.example" }),
  [`cn=nick,${people}`]: {
    objectClass: ["alias", "extensibleObject"],
    cn: "nick",
    aliasedObjectName: `cn=dan,ou=example.net,${groups}`,
  },
  [`cn=both1,${people}`]: person({
    mail: "both@example.org",
    maildrop: "first@host.example",
    mailHost: "terminal.example",
  }),
  [`cn=both2,${people}`]: person({ mail: "both@example.org", maildrop: "second@host.example" }),
  [`cn=utf,${people}`]: person({
    mailacceptinggeneralid: "jörg@bücher.example",
    maildrop: "jörg@höst.example",
  }),
  [`cn=raw,${people}`]: { ...person({ mail: "raw@example.org" }), "octets:": "/wD+" },
  [`cn=badurl,${groups}`]: group({
    mail: "badurl@example.org",
    member: `cn=bob,${people}`,
    memberURL: "ldap://[bad/url",
  }),
});
