import type { Diagnostic } from "./diagnostic.ts";
import { splitListChecked } from "./list.ts";
import { nearest } from "./nearest.ts";
import { RESTRICTION_LISTS, RESTRICTION_NAMES, WITH_ARGUMENT } from "./restriction_names.ts";
import { ROWS, type Scope } from "./scope.ts";
import { textOf } from "./check_main.ts";

/** Any of these in the relay or recipient restrictions keeps strangers from relaying to strangers. */
const GUARDS = [
  "reject_unauth_destination",
  "defer_unauth_destination",
  "reject",
  "defer",
  "defer_if_permit",
  "check_relay_domains",
] as const;

/** A list's items, or nothing when its text cannot be told. */
function itemsOf(scope: Scope, name: string): readonly string[] {
  return splitListChecked(textOf(scope, name) ?? "").items;
}

/** Whether a walk through the list meets a guard; classes are looked into, each once on the way. */
function guards(
  items: readonly string[],
  classes: ReadonlyMap<string, readonly string[]>,
  inside: ReadonlySet<string>,
): boolean {
  for (let at = 0; at < items.length; at++) {
    const item = items[at]!;
    if (item === "warn_if_reject" && at + 1 < items.length) {
      at++;
      continue;
    }
    if (item === "permit") return false;
    if (GUARDS.some((guard) => guard === item)) return true;
    const inner = inside.has(item) ? undefined : classes.get(item);
    if (inner !== undefined && guards(inner, classes, new Set([...inside, item]))) return true;
  }
  return false;
}

function restrictionClasses(scope: Scope): Map<string, readonly string[]> {
  return new Map(
    itemsOf(scope, "smtpd_restriction_classes").map((name) => [name, itemsOf(scope, name)]),
  );
}

/** Refuses a listener that would relay for anybody, unless allow_open_relay says that this is meant. */
export function checkRelayGuard(scope: Scope, service: string): Diagnostic[] {
  const classes = restrictionClasses(scope);
  const guarded = ["smtpd_recipient_restrictions", "smtpd_relay_restrictions"]
    .some((name) => guards(itemsOf(scope, name), classes, new Set()));
  if (guarded) return [];
  const text = "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, " +
    `specify at least one working instance of: ${GUARDS.slice(0, -1).join(", ")} or ${
      GUARDS[GUARDS.length - 1]
    }`;
  const allowed = textOf(scope, "allow_open_relay")?.toLowerCase() === "yes";
  const value = textOf(scope, "smtpd_recipient_restrictions") ?? "";
  const name = scope.setting("smtpd_recipient_restrictions") === undefined
    ? "smtpd_relay_restrictions"
    : "smtpd_recipient_restrictions";
  return [{
    ...scope.complaint(name, value, text, undefined),
    level: allowed ? "warning" : "fatal",
    service,
    hint: allowed
      ? "allow_open_relay = yes lets it start"
      : "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination is the usual",
  }];
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
    ...[...RESTRICTION_LISTS, ...classes].flatMap((name) => checkWords(scope, name, known)),
  ];
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
