import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { internalAddress } from "../../address/address.ts";
import { defer, reasonText } from "../../smtp/reply.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import type { Answer } from "../../table/table.ts";
import { type CheckAction, parseCheckAction } from "../check_action.ts";
import { fromBytesText, toBytesText } from "../latin1.ts";
import { fieldOriginText } from "./milter_origin.ts";
import type { MilterStageDeps } from "./milter_stage_deps.ts";

const TABLE = "milter_header_checks";
const NO_ANSWER = defer(451, "4.3.0", "Error: queue file write error");
/** Characters of a field that a line shows. */
const SHOWN = 60;

/** Holds fields that filters make against milter_header_checks (header_checks(5)). */
export class MilterHeaderChecks {
  readonly #deps: MilterStageDeps;
  readonly #maps: OpenMaps;
  /** Nothing more is looked at. */
  #isOver = false;
  #isHeld = false;

  constructor(deps: MilterStageDeps, maps: OpenMaps) {
    this.#deps = deps;
    this.#maps = maps;
  }

  /** The field as it goes in, one character a byte; undefined: not at all. */
  check(given: string): MaybeAsync<string | undefined> {
    if (this.#isOver) return given;
    const text = fromBytesText(given);
    return then(this.#maps.whole.find(text), (answer) => this.#judge(given, text, answer));
  }

  #judge(given: string, text: string, answer: Answer): string | undefined {
    if (answer.is === "absent") return given;
    if (answer.is === "found") {
      return this.#carryOut(given, text, parseCheckAction(answer.value, TABLE, "header"));
    }
    const { log, message, submission: { id } } = this.#deps;
    log.note("cleanup", "warning", answer.why);
    log.note(
      "cleanup",
      "warning",
      `${id}: ${TABLE} map lookup problem -- message not accepted, try again later`,
    );
    message.refuse(NO_ANSWER);
    return undefined;
  }

  #tell(action: string, text: string, more: string): void {
    const { log, submission } = this.#deps;
    const shown = [...text].slice(0, SHOWN).join("");
    const line = `${submission.id}: milter-header-${action}: header ${shown} ${fieldOriginText(submission)}`;
    log.note("cleanup", "info", more === "" ? line : `${line}: ${more}`);
  }

  #carryOut(given: string, text: string, action: CheckAction): string | undefined {
    const { message, log } = this.#deps;
    switch (action.is) {
      case "keep":
        return given;
      case "ignore":
        return undefined;
      case "flawed":
        log.note("cleanup", "warning", action.why);
        return given;
      case "reject":
        this.#tell("reject", text, reasonText(action.refusal));
        this.#isOver = true;
        message.refuse(action.refusal);
        return given;
      case "note":
        this.#tell(action.verb, text, action.text);
        return given;
      case "prepend":
        this.#tell("prepend", text, action.text);
        log.note("cleanup", "warning", "the milter_header/body_checks prepend action is not implemented");
        return given;
      case "hold":
        if (!this.#isHeld) this.#tell("hold", text, action.text);
        this.#isHeld = true;
        message.hold();
        return given;
      default:
        this.#tell(action.is, text, action.text);
        return this.#change(given, action);
    }
  }

  #change(given: string, action: Extract<CheckAction, { readonly text: string }>): string | undefined {
    const { message } = this.#deps;
    switch (action.is) {
      case "discard":
        this.#isOver = true;
        message.discard();
        return given;
      case "redirect":
        this.#isOver = true;
        message.redirectTo(action.text);
        return given;
      case "filter":
        message.filterThrough(action.text);
        return given;
      case "bcc":
        message.addRecipient({
          address: internalAddress(action.text),
          original: internalAddress(action.text),
          notify: 0,
        });
        return given;
      case "strip":
        return undefined;
      case "replace":
        return toBytesText(action.text);
      default:
        return given;
    }
  }
}
