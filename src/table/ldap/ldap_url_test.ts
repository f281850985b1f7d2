import { expect, test } from "bun:test";
import { isLdapUrl, parseLdapUrl } from "./ldap_url.ts";

const none = { host: "", port: undefined, dn: "", attributes: [], scope: undefined, filter: undefined };

test.each([
  ["ldap://", { ...none, scheme: "ldap" }],
  ["LDAPS://Host:636", { ...none, scheme: "ldaps", host: "Host", port: 636 }],
  ["ldap://[::1]:389/", { ...none, scheme: "ldap", host: "::1", port: 389 }],
  ["ldapi://%2Frun%2Fldapi", { ...none, scheme: "ldapi", host: "/run/ldapi" }],
  ["ldap:///dc=a%20b??sub?(cn=x%3f)", {
    ...none,
    scheme: "ldap",
    dn: "dc=a b",
    scope: "sub",
    filter: "(cn=x?)",
  }],
  ["ldap://h/dc=a?mail,cn;x?ONE?cn=y?ext", {
    scheme: "ldap",
    host: "h",
    port: undefined,
    dn: "dc=a",
    attributes: ["mail", "cn;x"],
    scope: "one",
    filter: "cn=y",
  }],
  ["<URL:ldap://h>", { ...none, scheme: "ldap", host: "h" }],
])("%s", (text, url) => {
  expect(isLdapUrl(text)).toBe(true);
  expect(parseLdapUrl(text)).toEqual(url as never);
});

test.each([
  ...[
    "http://x",
    "ldap:x",
    "ldap://[bad/url",
    "ldap://h:99999",
    "ldap:///dc=a??deep",
    "ldap:///%zz",
    "ldap://a:b",
  ],
  ...["ldap:///dc=a????!1.2.3=x", "ldap://h/a?b?base?d?e?f"],
])("%s is refused", (text) => expect(typeof parseLdapUrl(text)).toBe("string"));
