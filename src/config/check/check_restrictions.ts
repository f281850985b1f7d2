import { type Service, serviceKey } from "../service.ts";
import { closing } from "./closings.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { splitListChecked } from "../syntax/list.ts";
import { nearest } from "../../base/nearest.ts";
import { relayFlaw } from "./relay_guard.ts";
import {
  CONTENT_WORDS,
  RESTRICTION_LISTS,
  RESTRICTION_NAMES,
  WITH_ARGUMENT,
} from "../parameters/restriction_names.ts";
import { ROWS, type Scope } from "../scope.ts";
import { textOf } from "./check_main.ts";

/** A list's items, or nothing when its text cannot be told. */
function itemsOf(scope: Scope, name: string): readonly string[] {
  return splitListChecked(textOf(scope, name) ?? "").items;
}

/** Refuses a listener that would relay for anybody, unless allow_open_relay says that this is meant. */
export function checkRelayGuard(scope: Scope, service: Service): Diagnostic[] {
  const classes = new Set(itemsOf(scope, "smtpd_restriction_classes"));
  const listText = (name: string) => textOf(scope, name) ?? "";
  const flaw = relayFlaw({
    smtpd_relay_restrictions: listText("smtpd_relay_restrictions"),
    smtpd_recipient_restrictions: listText("smtpd_recipient_restrictions"),
    classText: (name) => classes.has(name) ? listText(name) : undefined,
  });
  if (flaw === undefined) return [];
  const allowed = textOf(scope, "allow_open_relay")?.toLowerCase() === "yes";
  const value = textOf(scope, "smtpd_recipient_restrictions") ?? "";
  const name = scope.setting("smtpd_recipient_restrictions") === undefined
    ? "smtpd_relay_restrictions"
    : "smtpd_recipient_restrictions";
  const problem: Diagnostic = {
    ...scope.complaint(name, value, flaw, undefined),
    service: serviceKey(service),
    hint: allowed
      ? "allow_open_relay = yes lets it start"
      : "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination is the usual",
  };
  return [allowed ? { ...problem, level: "warning" } : closing(problem, [service])];
}

/** Classes without a definition, broken groups, and words that are no restriction. */
export function checkRestrictionLists(scope: Scope): Diagnostic[] {
  const classes = itemsOf(scope, "smtpd_restriction_classes");
  const missing = classes.filter((name) => scope.setting(name) === undefined && !ROWS.has(name)).map((name) =>
    scope.complaint(
      "smtpd_restriction_classes",
      name,
      `restriction class \`${name}' needs a definition`,
      `"${name} = restrictions" in main.cf`,
    )
  );
  const known = new Set([...RESTRICTION_NAMES, ...classes]);
  return [
    ...missing,
    ...earlyContentWords(scope),
    ...[...RESTRICTION_LISTS, "dkim_signing_clients", "mail_authentication_exempt", ...classes].flatMap((
      name,
    ) => checkWords(scope, name, known)),
  ];
}

/** Restrictions on content that stand where there is none yet. */
function earlyContentWords(scope: Scope): Diagnostic[] {
  const early = RESTRICTION_LISTS.filter((name) => name !== "smtpd_end_of_data_restrictions");
  const words = (name: string) =>
    itemsOf(scope, name).filter((item) => CONTENT_WORDS.has(item.toLowerCase()));
  return early.flatMap((name) =>
    words(name).map((word): Diagnostic => ({
      ...scope.complaint(name, word, `${word} judges content, and there is none yet`, undefined),
      level: "warning",
      hint: "clients will get 451 4.3.5 when it is reached; it works in smtpd_end_of_data_restrictions",
    }))
  );
}

function checkWords(scope: Scope, name: string, known: ReadonlySet<string>): Diagnostic[] {
  const text = textOf(scope, name);
  if (text === undefined) return [];
  const { items, problems } = splitListChecked(text);
  const broken = problems.map((problem) => scope.complaint(name, text, problem.text, "balanced braces"));
  return [...broken, ...strangeWords(items, known).map((word) => strangeWord(scope, name, word, known))];
}

/** Words that stand where a restriction belongs and are none; `type:name` alone is a table (access(5)). */
function strangeWords(items: readonly string[], known: ReadonlySet<string>): string[] {
  const strange: string[] = [];
  for (let at = 0; at < items.length; at++) {
    const item = items[at]!;
    if (WITH_ARGUMENT.has(item.toLowerCase())) at++;
    else if (!known.has(item) && !known.has(item.toLowerCase()) && !item.includes(":")) strange.push(item);
  }
  return strange;
}

/** Postfix finds out at the first mail and answers 451; saying it at the start is kinder. */
function strangeWord(scope: Scope, name: string, word: string, known: ReadonlySet<string>): Diagnostic {
  const meant = nearest(word, known);
  const hint = ROWS.has(word)
    ? `${word} is a parameter, not a restriction`
    : meant === undefined
    ? "clients will get 451 4.3.5 when it is reached"
    : `did you mean ${meant}?`;
  return {
    ...scope.complaint(name, word, `unknown smtpd restriction: "${word}"`, undefined),
    level: "warning",
    hint,
  };
}
