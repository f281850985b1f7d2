/** One text of a notice: headers, and the body with `$name` in it (bounce(5)). */
export interface Template {
  readonly charset: string;
  /** As written; undefined: the mail system's own, in the form of header_from_format. */
  readonly from: string | undefined;
  readonly subject: string;
  readonly postmasterSubject: string;
  /** LF line ends, the last one included. */
  readonly body: string;
}

/** The four texts, by the section names of bounce_template_file. */
export interface Templates {
  readonly failure_template: Template;
  readonly delay_template: Template;
  readonly success_template: Template;
  readonly verify_template: Template;
}

/** A template file that cannot be used: where, and why. */
export interface MalformedTemplate {
  readonly is: "malformed";
  readonly line: number;
  readonly why: string;
}

const HOST = "This is the mail system at host $myhostname.\n";
const SIGNED = "                   The mail system\n";
const HELP = `For further assistance, please send mail to postmaster.

If you do so, please include this problem report. You can
delete your own text from the attached returned message.

`;

const text = (subject: string, postmasterSubject: string, body: string): Template => ({
  charset: "us-ascii",
  from: undefined,
  subject,
  postmasterSubject,
  body: `${HOST}\n${body}${SIGNED}`,
});

/** The texts that hold without a template file. */
export const BUILT_IN: Templates = {
  failure_template: text(
    "Undelivered Mail Returned to Sender",
    "Postmaster Copy: Undelivered Mail",
    `I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

${HELP}`,
  ),
  delay_template: text(
    "Delayed Mail (still being retried)",
    "Postmaster Warning: Delayed Mail",
    `####################################################################
# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #
####################################################################

Your message could not be delivered for more than $delay_warning_time_hours hour(s).
It will be retried until it is $maximal_queue_lifetime_days day(s) old.

${HELP}`,
  ),
  success_template: text(
    "Successful Mail Delivery Report",
    "",
    `Your message was successfully delivered to the destination(s)
listed below. If the message was delivered to mailbox you will
receive no further notifications. Otherwise you may still receive
notifications of mail delivery errors from other systems.

`,
  ),
  verify_template: text(
    "Mail Delivery Status Report",
    "",
    `Enclosed is the mail delivery report that you requested.

`,
  ),
};

const HEADERS: Readonly<Record<string, keyof Omit<Template, "body">>> = {
  charset: "charset",
  from: "from",
  subject: "subject",
  "postmaster-subject": "postmasterSubject",
};

const HAS_COPY = new Set<string>(["failure_template", "delay_template"]);

function isSection(name: string): name is keyof Templates {
  return name in BUILT_IN;
}

function parseSection(
  section: keyof Templates,
  lines: readonly string[],
  first: number,
): Template | MalformedTemplate {
  let template = BUILT_IN[section];
  const bad = (at: number, why: string): MalformedTemplate => ({
    is: "malformed",
    line: first + at,
    why: `${section}: ${why}`,
  });
  for (let at = 0; at < lines.length; at++) {
    if (lines[at] === "") {
      return {
        ...template,
        body: lines.slice(at + 1).map((line) => `${line}\n`).join(""),
      };
    }
    const match = /^([A-Za-z-]+)[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(lines[at]!);
    const field = match === null ? undefined : HEADERS[match[1]!.toLowerCase()];
    if (match === null || field === undefined) {
      return bad(
        at,
        `unknown header "${
          lines[at]
        }"; known are Charset, From, Subject, Postmaster-Subject, then an empty line`,
      );
    }
    if (field === "postmasterSubject" && !HAS_COPY.has(section)) {
      return bad(at, "Postmaster-Subject belongs to failure_template and delay_template only");
    }
    if (/[^\x20-\x7e]|\$/.test(match[2]!)) return bad(at, "a header is one line of ASCII without $");
    template = { ...template, [field]: match[2] };
  }
  return bad(lines.length, "no empty line after the headers");
}

/** Reads a bounce_template_file; sections that are not in it keep their built-in text (bounce(5)). */
export function parseTemplates(file: string): Templates | MalformedTemplate {
  const lines = file.split(/\r?\n/);
  let templates = BUILT_IN;
  for (let at = 0; at < lines.length; at++) {
    if (/^\s*(#|$)/.test(lines[at]!)) continue;
    const match = /^\s*(\w+)\s*=\s*<<\s*(\S+)\s*$/.exec(lines[at]!);
    if (match === null) {
      return { is: "malformed", line: at + 1, why: `expected "name = <<EOF", found "${lines[at]}"` };
    }
    const [, section = "", mark = ""] = match;
    const end = lines.indexOf(mark, at + 1);
    if (end < 0) return { is: "malformed", line: at + 1, why: `no line "${mark}" ends ${section}` };
    if (!isSection(section)) {
      return {
        is: "malformed",
        line: at + 1,
        why: `unknown template "${section}"; known are ${Object.keys(BUILT_IN).join(", ")}`,
      };
    }
    const parsed = parseSection(section, lines.slice(at + 1, end), at + 2);
    if ("is" in parsed) return parsed;
    templates = { ...templates, [section]: parsed };
    at = end;
  }
  return templates;
}

const UNITS: Readonly<Record<string, number>> = {
  seconds: 1,
  minutes: 60,
  hours: 3600,
  days: 86_400,
  weeks: 604_800,
};

/** Times that a template may show in a unit of its choice. */
export interface TemplateTimes {
  readonly delay_warning_time: number;
  readonly maximal_queue_lifetime: number;
}

function timeValue(name: string, times: TemplateTimes): string | undefined {
  const match = /^(delay_warning_time|maximal_queue_lifetime)_(\w+)$/.exec(name);
  const unit = match === null ? undefined : UNITS[match[2]!];
  if (match === null || unit === undefined) return undefined;
  const seconds = match[1] === "delay_warning_time" ? times.delay_warning_time : times.maximal_queue_lifetime;
  return `${Math.floor((seconds + unit / 2) / unit)}`;
}

/** A template's body with its `$name` filled in; an unknown name becomes nothing, as in main.cf. */
export function expandBody(
  body: string,
  times: TemplateTimes,
  parameter: (name: string) => string | undefined,
): string {
  return body.replace(
    /\$(?:\$|(\w+)|\{(\w+)\}|\((\w+)\))/g,
    (_whole, plain?: string, braced?: string, round?: string) => {
      const name = plain ?? braced ?? round;
      return name === undefined ? "$" : timeValue(name, times) ?? parameter(name) ?? "";
    },
  );
}
