import { type MaybeAsync, then } from "../../../base/maybe_async.ts";
import type { Changed } from "../../../cleanup/stage.ts";
import type { CheckedKind } from "../../../cleanup/check_action.ts";
import type { ContentChecks } from "../../../cleanup/content_checks.ts";
import { toBytesText } from "../../../cleanup/latin1.ts";
import type { ParameterName, SettingsOf } from "../../../config/parameters/settings_type.ts";
import { printField } from "../../../message/header.ts";
import type { OpenMaps, OpenTables } from "../../../rewrite/open_tables.ts";

/** The parameters of content checks on the way out. */
export const CLIENT_CHECK_PARAMETERS = [
  "smtp_header_checks",
  "smtp_mime_header_checks",
  "smtp_nested_header_checks",
  "smtp_body_checks",
  "lmtp_header_checks",
  "lmtp_mime_header_checks",
  "lmtp_nested_header_checks",
  "lmtp_body_checks",
  "body_checks_size_limit",
  "line_length_limit",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type ClientCheckSettings = SettingsOf<typeof CLIENT_CHECK_PARAMETERS>;

/** The tables that content is held against on its way out (smtp_header_checks and its kin). */
export type ClientChecks = Pick<
  ContentChecks,
  "header" | "mime" | "nested" | "body" | "bodyLimit" | "lineLimit"
>;

/** Opens the tables of one client; undefined when there is nothing to check. */
export function openClientChecks(
  program: "smtp" | "lmtp",
  settings: ClientCheckSettings,
  openTables: OpenTables,
): ClientChecks | undefined {
  const open = (which: "header_checks" | "mime_header_checks" | "nested_header_checks" | "body_checks") =>
    openTables.maps(settings[`${program}_${which}`], `${program}_${which}`);
  const [header, mime] = [open("header_checks"), open("mime_header_checks")];
  const [nested, body] = [open("nested_header_checks"), open("body_checks")];
  if ((header ?? mime ?? nested ?? body) === undefined) return undefined;
  const { body_checks_size_limit: bodyLimit, line_length_limit: lineLimit } = settings;
  return { header, mime, nested, body, bodyLimit, lineLimit };
}

/** What the log says of checks. */
export interface CheckLog {
  readonly id: string;
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
}

const KEPT: Changed = {};
const LEFT_OUT: Changed = { text: "" };

/**
 * The checks of one message on its way out: lines may be changed, left out and noted, but the message is ours, and is neither
 * refused nor held (header_checks(5)). A table in trouble throws: the delivery is tried again.
 */
export class ClientCheckRun {
  readonly over = false;
  readonly #log: CheckLog;
  readonly #program: string;

  constructor(program: "smtp" | "lmtp", log: CheckLog) {
    this.#log = log;
    this.#program = program;
  }

  /** Holds a field or a body line against a table; line ends inside are LF for it. */
  check(kind: CheckedKind, given: string, maps: OpenMaps | undefined): MaybeAsync<Changed> {
    if (maps === undefined) return KEPT;
    const text = given.replaceAll("\r\n", "\n").replace(/\n$/, "");
    return then(maps.whole.find(text), (answer) => {
      if (answer.is === "absent") return KEPT;
      if (answer.is === "found") return this.#carryOut(kind, text, answer.value, maps.title);
      this.#log.warn(answer.why);
      throw new Error(`${this.#program} ${kind} checks lookup error`);
    });
  }

  #carryOut(kind: CheckedKind, text: string, value: string, table: string): Changed {
    const [, word = "", more = ""] = /^\s*(\S*)\s*([^]*?)\s*$/.exec(value) ?? [];
    const action = word.toUpperCase();
    switch (action) {
      case "DUNNO":
      case "OK":
        return KEPT;
      case "IGNORE":
        return LEFT_OUT;
      case "WARN":
      case "INFO":
      case "STRIP":
        this.#tell(action === "WARN" ? "warning" : action.toLowerCase(), kind, text, more);
        return action === "STRIP" ? LEFT_OUT : KEPT;
      case "REPLACE":
      case "PREPEND":
        return this.#write(action, kind, text, more, table);
      default:
        this.#log.warn(`unsupported command in ${table} map: ${value}`);
        return KEPT;
    }
  }

  #write(
    action: "REPLACE" | "PREPEND",
    kind: CheckedKind,
    text: string,
    written: string,
    table: string,
  ): Changed {
    if (written === "") {
      this.#log.warn(`${action} action without text in ${table} map`);
      return KEPT;
    }
    this.#tell(action.toLowerCase(), kind, text, written);
    const lines = wireText(kind, written);
    return action === "REPLACE" ? { text: lines } : { before: lines };
  }

  #tell(verb: string, kind: string, text: string, more: string): void {
    const said = more === "" ? "" : `: ${more}`;
    this.#log.note(`${this.#log.id}: ${verb}: ${kind} ${text.slice(0, 200)}${said}`);
  }
}

/** A table's text in wire form: in a header it stays one field, a body may get more lines. */
function wireText(kind: CheckedKind, text: string): string {
  const bytes = toBytesText(text);
  return kind === "header"
    ? printField(bytes)
    : `${bytes.replace(/\r?\n|\r/g, "\r\n").replaceAll("\0", "")}\r\n`;
}
