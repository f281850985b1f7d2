import type { AccessNote, Effect } from "../policy.ts";
import type { DefaultCheck, Query, RestrictionList, Subject, Verdict } from "../restriction.ts";
import { splitStatus, statusForSubject } from "../reply/status_text.ts";
import { DUNNO, reject, rejectedText, serverError, warned } from "../verdict.ts";

/** A lookup result of an access table, with all that the answer to it depends on. */
export interface Found {
  /** The table's `type:name`, or the policy server. */
  readonly table: string;
  /** The result: an action, or restrictions. */
  readonly value: string;
  /** What was looked for. */
  readonly datum: string;
  readonly about: Subject;
  readonly query: Query;
}

/** What carries out the actions of access(5). */
export interface ActionRules {
  readonly rejectCode: number;
  readonly deferCode: number;
  /** A before-queue filter takes the mail: queue actions are out of reach (smtpd_proxy_filter). */
  readonly proxied: boolean;
  /** Makes restrictions that a table names evaluable; the same text gives the same list. */
  compile(value: string, table: string, defaultCheck: DefaultCheck | undefined): RestrictionList;
}

type Action = (found: Found, text: string, rules: ActionRules) => Verdict;

/** The actions by name; what is not here is a restriction, or a reply code (access(5)). */
const ACTIONS: Readonly<Record<string, Action>> = {
  DUNNO: () => DUNNO,
  REJECT: (found, text, rules) => refusal(found, rules.rejectCode, "5.7.1", text, "Access denied"),
  DEFER: (found, text, rules) => refusal(found, rules.deferCode, "4.7.1", text, "Access denied"),
  DEFER_IF_PERMIT: (found, text, rules) => ({
    is: "defer_if_permit",
    refusal: refusal(found, rules.deferCode, "4.7.1", text, "Service unavailable").refusal,
  }),
  DEFER_IF_REJECT: (found, text, rules) => ({
    is: "defer_if_reject",
    refusal: refusal(found, rules.deferCode, "4.7.1", text, "Service unavailable").refusal,
  }),
  OK: (found) => permit(found),
  RELAY: (found) => permit(found),
  INFO: (_found, text) => ({ is: "act", note: { verb: "info", text } }),
  WARN: (_found, text) => ({ is: "act", note: { verb: "warn", text } }),
  HOLD: hold,
  DISCARD: discard,
  FILTER: filter,
  REDIRECT: (found, text, rules) => toAddress(found, "redirect", "REDIRECT", text, rules),
  BCC: (found, text, rules) => toAddress(found, "bcc", "BCC", text, rules),
  PREPEND: prepend,
};

const ALL_DIGITS = /^\d+$/;
const REPLY_CODE = /^[45]\d\d$/;

/** Turns a lookup result into a verdict (access(5)). */
export function actionVerdict(
  found: Found,
  rules: ActionRules,
  defaultCheck: DefaultCheck | undefined,
): Verdict {
  const { value } = found;
  const end = value.search(/[ \t]/);
  const command = end < 0 ? value : value.slice(0, end);
  const text = end < 0 ? "" : value.slice(end).trimStart();
  const action = ACTIONS[command.toUpperCase()];
  if (action !== undefined) return action(found, text, rules);
  if (ALL_DIGITS.test(value)) return permit(found);
  if (REPLY_CODE.test(command) && text !== "") {
    return refusal(found, Number(command), `${command[0]}.7.1`, text, "Access denied");
  }
  return restrictions(found, rules, defaultCheck);
}

function refusal(found: Found, code: number, fallback: string, text: string, generic: string) {
  const parts = splitStatus(text, fallback);
  const status = statusForSubject(parts.status, found.about.class);
  return reject(code, status, rejectedText(found.about, parts.text === "" ? generic : parts.text));
}

function permit(found: Found): Extract<Verdict, { readonly is: "permit" }> {
  const end = found.value.search(/[ \t]/);
  const action = end < 0 ? found.value : found.value.slice(0, end);
  return { is: "permit", action, about: found.about, from: found.table };
}

/** Why an action that goes with the message cannot be honoured here, or undefined (access(5)). */
function outOfPlace(found: Found, action: string, rules: ActionRules): Verdict | undefined {
  if (rules.proxied) {
    const text =
      `access table ${found.table}: with smtpd_proxy_filter specified, action ${action} is unavailable`;
    return warned(text);
  }
  if (found.query.stage === "ETRN") {
    const text = `access table ${found.table}: action ${action} is unavailable in smtpd_etrn_restrictions`;
    return warned(text);
  }
  return outsideMail(found, action);
}

/** Client and HELO lists that run before MAIL have no message to act on. */
function outsideMail(found: Found, action: string): Verdict | undefined {
  if (found.query.facts.sender !== undefined) return undefined;
  return warned(
    `access table ${found.table}: with smtpd_delay_reject=no, ` +
      `action ${action} is always skipped in Client host or Helo command restrictions`,
  );
}

/** `<name>: Class text`, as the log shows an action. */
function about({ name, class: kind }: Subject, text: string): string {
  return `<${name}>: ${kind} ${text}`;
}

function acted(verb: AccessNote["verb"], noted: string, effect: Effect): Verdict {
  return { is: "act", note: { verb, text: noted }, effect };
}

function hold(found: Found, text: string, rules: ActionRules): Verdict {
  const wrong = outOfPlace(found, "HOLD", rules);
  if (wrong !== undefined) return wrong;
  if (found.query.facts.held === true) return DUNNO;
  return acted("hold", about(found.about, text === "" ? "triggers HOLD action" : text), { is: "hold", text });
}

function discard(found: Found, text: string, rules: ActionRules): Verdict {
  const wrong = outOfPlace(found, "DISCARD", rules);
  if (wrong !== undefined) return wrong;
  const note = about(found.about, text === "" ? "triggers DISCARD action" : text);
  return {
    is: "act",
    note: { verb: "discard", text: note },
    effect: { is: "discard", text },
    permit: permit(found),
  };
}

function filter(found: Found, text: string, rules: ActionRules): Verdict {
  const wrong = outOfPlace(found, "FILTER", rules);
  if (wrong !== undefined) return wrong;
  const entry = `access table ${found.table} entry "${found.datum}"`;
  if (text === "") return warned(`${entry} has FILTER entry without value`);
  if (!text.includes(":")) return warned(`${entry} requires transport:destination`);
  return acted("filter", about(found.about, `triggers FILTER ${text}`), { is: "filter", text });
}

function toAddress(
  found: Found,
  is: "redirect" | "bcc",
  action: string,
  text: string,
  rules: ActionRules,
): Verdict {
  const wrong = outOfPlace(found, action, rules);
  if (wrong !== undefined) return wrong;
  if (!text.includes("@")) {
    return warned(`access table ${found.table} entry "${found.datum}" requires user@domain target`);
  }
  return acted(is, about(found.about, `triggers ${action} ${text}`), { is, text });
}

const HEADER = /^[\x21-\x39\x3b-\x7e]+[ \t]*:/;

function prepend(found: Found, text: string): Verdict {
  const wrong = outsideMail(found, "PREPEND");
  if (wrong !== undefined) return wrong;
  if (found.query.stage === "END-OF-MESSAGE") {
    return warned(
      `access table ${found.table}: action PREPEND must be used before smtpd_end_of_data_restrictions`,
    );
  }
  if (!HEADER.test(text)) {
    return warned(`access table ${found.table} entry "${found.datum}" requires header: text`);
  }
  return { is: "act", effect: { is: "prepend", text } };
}

/** What is no action names restrictions; tables may not be named (they cannot be opened on the way). */
function restrictions(found: Found, rules: ActionRules, defaultCheck: DefaultCheck | undefined): Verdict {
  if (found.value.includes(":")) {
    return serverError(
      `access table ${found.table} has entry with lookup table: ${found.value}`,
      "do not specify lookup tables inside SMTPD access maps",
      "define a restriction class and specify its name instead.",
    );
  }
  const list = rules.compile(found.value, found.table, defaultCheck);
  if (list.steps.length > 0) return { is: "apply", list, about: found.about };
  const warnings = [`access table ${found.table} entry ${found.value} has empty value`];
  return { is: "act", permit: { ...permit(found), logged: false }, warnings };
}
