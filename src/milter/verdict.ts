import { defer, type Refusal, refusalWith, refuse } from "../smtp/reply.ts";

/** What a filter, or what stands in for one that cannot be asked, says against a message or a command. */
export type Verdict =
  | { readonly is: "hold" | "discard" | "shutdown" }
  /** It was refused or thrown away in the course of the changes that were asked for. */
  | { readonly is: "over" }
  /** `text` is the reply as the filter gave it, for the log: lines with CR LF between them. */
  | { readonly is: "refuse"; readonly reply: Refusal; readonly text: string };

/** It is held (quarantine). */
export const HOLD: Verdict = { is: "hold" };

/** It is accepted and thrown away. */
export const DISCARD: Verdict = { is: "discard" };

/** Nothing more is to be said. */
export const OVER: Verdict = { is: "over" };

/** The client is shown the door. */
export const SHUTDOWN: Verdict = { is: "shutdown" };

/** A verdict that is a reply of one line. */
export function refusal(reply: Refusal): Verdict {
  return { is: "refuse", reply, text: `${reply.code} ${reply.status} ${reply.lines[0]}` };
}

export const REJECTED = refusal(refuse(550, "5.7.1", "Command rejected"));
export const TRY_AGAIN = refusal(defer(451, "4.7.1", "Service unavailable - try again later"));
const UNAVAILABLE = refusal(refuse(550, "5.5.0", "Service unavailable"));
const MISCONFIGURED = refusal(defer(451, "4.3.5", "Server configuration problem - try again later"));

/** What is done in place of a filter that is set up wrongly, or answers what is no SMTP reply (milter_default_action). */
export function whenMisconfigured(action: string): Verdict | undefined {
  switch (action.toLowerCase()) {
    case "accept":
      return undefined;
    case "quarantine":
      return HOLD;
    default:
      return MISCONFIGURED;
  }
}

/** What is done in place of a filter that cannot be reached, or does not speak the protocol; `warn` hears of an action that is none. */
export function whenUnreachable(action: string, warn: (text: string) => void): Verdict | undefined {
  switch (action.toLowerCase()) {
    case "reject":
      return UNAVAILABLE;
    case "tempfail":
      return TRY_AGAIN;
    case "shutdown":
      return SHUTDOWN;
    case "accept":
    case "quarantine":
      break;
    default:
      warn(`unrecognized default action: ${action}`);
  }
  return whenMisconfigured(action);
}

const STATUS = /^([245]\.\d{1,3}\.\d{1,3}) ?/;

/**
 * Reads a filter's own reply: `550 5.7.1 text`, also of several lines (`550-5.7.1 text` CR LF ...). `%%` means `%`, as in sendmail.
 * Undefined when it is no refusal.
 */
export function readReplyCode(given: string, soft: boolean): Verdict | undefined {
  if (!/^[45]\d\d[ -](?!\d)/.test(given) && !/^([45])\d\d[ -]\1/.test(given)) return undefined;
  const text = softened(given.replace(/%(%?)/g, "$1"), soft);
  const lines = text.split("\r\n").filter((line) => line !== "").map((line) =>
    line.replace(/^\d{3}(?:[ -]|$)/, "")
  );
  const code = Number(text.slice(0, 3));
  const status = commonStatus(lines);
  const shown = status === undefined ? lines : lines.map((line) => line.replace(STATUS, ""));
  const made = refusalWith(code, status ?? (code < 500 ? "4.0.0" : "5.0.0"), ...shown);
  if (made === undefined) return undefined;
  const reply = status === undefined ? withoutStatus(made) : made;
  return { is: "refuse", reply, text };
}

/** soft_bounce: each line that refuses for good refuses for now. */
function softened(text: string, soft: boolean): string {
  return soft ? text.replace(/^5(\d\d[ -])(5?)/gm, (_, rest, status) => `4${rest}${status && "4"}`) : text;
}

/** The status of all lines; undefined where they differ or one has none. */
function commonStatus(lines: readonly string[]): string | undefined {
  const [first, ...others] = lines.map((line) => STATUS.exec(line)?.[1]);
  return others.every((other) => other === first) ? first : undefined;
}

function withoutStatus(reply: Refusal): Refusal {
  return { ...reply, status: undefined };
}
