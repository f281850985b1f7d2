import { expect, test } from "bun:test";
import { testContext } from "../_test_context.ts";
import type { LdapEntry, LdapSearch } from "./ldap_codec.ts";
import { LdapLookup, type LdapLookupWorld } from "./ldap_lookup.ts";
import { LdapFault, NO_SUCH_OBJECT } from "./ldap_result_codes.ts";
import { ldapSettings } from "./ldap_settings.ts";
import { readQueryFile } from "../query_file/query_file.ts";
import { ResultGatherer } from "../query_file/query_result.ts";
import { TemplateNeeds } from "../query_file/query_template.ts";
import { chanceOf } from "../../../test/kit/chance.ts";
import { pause } from "../../../test/kit/waiting.ts";

const chance = chanceOf(import.meta.path);

const SETTINGS: Readonly<Record<string, string>> = {
  t_search_base: "dc=x",
  t_query_filter: "(mail=%s)",
  t_result_attribute: "mail",
  t_special_result_attribute: "member",
};

type Directory = (search: LdapSearch) => LdapEntry[];

const entry = (dn: string, attributes: Readonly<Record<string, readonly string[]>>): LdapEntry => ({
  dn,
  attributes: Object.entries(attributes).map(([name, values]) => ({
    name,
    values: values.map((text) => Buffer.from(text)),
  })),
});

/** A lookup whose searches are answered by a function. */
function lookupWith(search: LdapLookupWorld["search"]) {
  const context = testContext({ parameter: (name) => SETTINGS[name] });
  const settings = ldapSettings(readQueryFile("t", [], context), context);
  const { format, expansionLimit: limit } = settings;
  const needs = new TemplateNeeds(settings.base, settings.filter, format);
  const rules = { spec: "ldap:t", format, needs, limit, warn: context.warn };
  const gatherer = new ResultGatherer(rules, needs.ofKey("key@x")!);
  const lookup = new LdapLookup({ settings, gatherer, encoding: "utf8", warn: context.warn, search });
  return { lookup, gatherer, warnings: context.warnings };
}

/** Expands an entry against a directory that is a function. */
async function expand(start: LdapEntry, directory: Directory) {
  const asked: string[] = [];
  const { lookup, gatherer, warnings } = lookupWith(async (search) => {
    asked.push(`${search.base} ${search.attributes.join(",")}`);
    return { entries: directory(search), referrals: [] };
  });
  await lookup.take([start]);
  const answer = gatherer.answer();
  return { value: answer.is === "found" ? answer.value : answer.is, asked, warnings };
}

const person: Directory = ({ base }) => [entry(base, { mail: [`${base}@x`] })];

test("members that the server returns in pieces are all fetched, in order", async () => {
  const members = Array.from({ length: 10 }, (_, at) => `m${at}`);
  const group: Directory = (search) => {
    const from = /^member;range=([0-9]+)-\*$/.exec(search.attributes[0]!)?.[1];
    if (from === undefined) return person(search);
    const end = Math.min(Number(from) + 4, members.length);
    return [
      entry("g", {
        member: [],
        [`member;range=${from}-${end === members.length ? "*" : end - 1}`]: members.slice(Number(from), end),
      }),
    ];
  };
  const { value, asked } = await expand(
    entry("g", { member: [], "member;range=0-3": members.slice(0, 4) }),
    group,
  );
  expect(value).toBe(members.map((member) => `${member}@x`).join(","));
  expect(asked.slice(0, 2)).toEqual(["g member;range=4-*", "g member;range=8-*"]);
});

test("pieces that end before the last one are trouble, not a shorter group", async () => {
  const silent: Directory = () => [entry("g", { member: [] })];
  await expect(expand(entry("g", { "member;range=0-1": ["a", "b"] }), silent)).rejects.toThrow(
    "does not say what follows member 1",
  );
});

test("a hundred members are asked for sixteen at a time, and answered in their order", async () => {
  const members = Array.from({ length: 100 }, (_, at) => `m${at}`);
  let underWay = 0;
  let most = 0;
  const { lookup, gatherer } = lookupWith(async (search) => {
    most = Math.max(most, ++underWay);
    await pause(chance.random() * 3);
    underWay--;
    return { entries: person(search), referrals: [] };
  });
  await lookup.take([entry("g", { member: members })]);
  expect(gatherer.answer()).toEqual({ is: "found", value: members.map((member) => `${member}@x`).join(",") });
  expect(most).toBe(16);
});

test("an entry that leads back to itself ends at once, however it is written", async () => {
  const loop: Directory = ({ base }) => [entry(base, { member: [base === "CN=B" ? "cn=a" : "CN=B"] })];
  await expect(expand(entry("cn=a", { member: ["cn=b"] }), loop)).rejects.toThrow("Recursion limit exceeded");
});

test("who is gone is passed over with a warning; whoever cannot be looked at is trouble", async () => {
  const gone: Directory = ({ base }) => {
    if (base === "gone") throw new LdapFault(NO_SUCH_OBJECT);
    if (base === "hidden") throw new LdapFault(50);
    return person({ base } as LdapSearch);
  };
  const { value, warnings } = await expand(entry("g", { member: ["gone", "here"] }), gone);
  expect([value, warnings]).toEqual(["here@x", ["DN gone not found, skipping"]]);
  await expect(expand(entry("g", { member: ["here", "hidden"] }), gone)).rejects.toThrow(
    "Insufficient access",
  );
});

test("attributes with options are those without", async () => {
  const { value } = await expand(
    entry("p", { "mail;lang-de": ["a@x"], MAIL: ["b@x"], mailbox: ["c@x"] }),
    person,
  );
  expect(value).toBe("a@x,b@x");
});
