import { type Address, internalAddress, NULL_ADDRESS } from "../../address/address.ts";
import { readAddress } from "../../address/path.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Edit, MessageChanges } from "../../milter/edit_run.ts";
import { cutField } from "../cut_field.ts";
import { fromBytesText } from "../latin1.ts";
import { TOO_BIG } from "../message_draft.ts";
import { readRecipientReport, readSenderReport } from "./milter_esmtp.ts";
import { MilterHeaderChecks } from "./milter_header_checks.ts";
import type { MilterStageDeps } from "./milter_stage_deps.ts";
import { wireBody } from "./wire_body.ts";

/** Our own Received field: those behind it are counted. */
const OWN_FIELDS = 1;

type HeaderEdit = Extract<Edit, { readonly name: string }>;

/** Carries out what a filter wants changed (MILTER_README, cleanup(8)). */
export class MilterChanges implements MessageChanges {
  readonly #deps: MilterStageDeps;
  readonly #checks: MilterHeaderChecks | undefined;

  constructor(deps: MilterStageDeps) {
    this.#deps = deps;
    const { checks } = deps.limits;
    if (checks !== undefined) this.#checks = new MilterHeaderChecks(deps, checks);
  }

  /** Refused, or thrown away, in the course of it. */
  get isOver(): boolean {
    return this.#deps.message.isOver;
  }

  apply(edit: Edit, space: string): MaybeAsync<void> {
    const { message } = this.#deps;
    switch (edit.is) {
      case "addHeader":
      case "insertHeader":
        return this.#putHeader(edit, space);
      case "changeHeader":
        if (edit.value !== "") return this.#putHeader(edit, space);
        return void message.deleteField(edit.name, Math.max(edit.index, 1), OWN_FIELDS);
      case "changeSender":
        return this.#changeSender(edit.address, edit.parameters);
      case "addRecipient":
        return this.#addRecipient(edit.address, "");
      case "addRecipientWith":
        return this.#addRecipient(edit.address, edit.parameters);
      case "deleteRecipient": {
        const address = this.#addressOf(edit.address, "drop multi-recipient");
        if (address !== undefined) message.deleteRecipient(address);
      }
    }
  }

  /** A field of a filter's: it is held against milter_header_checks, and no longer than any. */
  #putHeader(edit: HeaderEdit, space: string): MaybeAsync<void> {
    const given = `${edit.name}:${space}${edit.value}`;
    return then(this.#checks === undefined ? given : this.#checks.check(given), (text) => {
      if (text === undefined || this.isOver) return;
      const { message, limits } = this.#deps;
      const field = cutField(text.replace(/\r?\n/g, "\r\n").concat("\r\n"), limits.header).slice(0, -2);
      if (edit.is === "addHeader") return message.appendField(field);
      if (edit.is === "insertHeader") return message.insertField(edit.index, field);
      const nth = Math.max(edit.index, 1);
      if (!message.changeField(edit.name, nth, field, OWN_FIELDS)) message.appendField(field);
    });
  }

  #warn(text: string): void {
    this.#deps.log.note("cleanup", "warning", text);
  }

  /** An address in external form, brackets or not; undefined where there is none. */
  #addressOf(text: string, request: string): Address | undefined {
    const given = fromBytesText(text);
    const inner = /^[ \t]*<([^]*)>[ \t]*$/.exec(given)?.[1] ?? given;
    if (inner.trim() === "") return NULL_ADDRESS;
    const address = readAddress(inner);
    if (address === undefined) {
      this.#warn(`${this.#deps.submission.id}: Milter request to ${request}: "${given}"`);
      return internalAddress(inner.split(",", 1)[0]!.trim());
    }
    return address;
  }

  #changeSender(text: string, parameters: string): void {
    const { message } = this.#deps;
    message.changeReport(readSenderReport(parameters, (warning) => this.#warn(warning)));
    const address = this.#addressOf(text, "add multi-sender");
    if (address !== undefined) message.changeSender(address);
  }

  #addRecipient(text: string, parameters: string): void {
    const { message, submission: { id } } = this.#deps;
    const report = readRecipientReport(parameters, (warning) => this.#warn(`${id}: ${warning}`));
    const address = this.#addressOf(text, "add multi-recipient");
    if (address === undefined || address === "") {
      return this.#warn(`${id}: ignoring attempt from Milter to add null recipient`);
    }
    message.addRecipient({ address, original: address, ...report });
  }

  async replaceBody(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const { message, limits } = this.#deps;
    await message.replaceBody(wireBody(pieces, limits.message, () => this.#tooBig()));
  }

  #tooBig(): void {
    const { message, submission: { id } } = this.#deps;
    this.#warn(`${id}: queue file size limit exceeded`);
    message.refuse(TOO_BIG);
  }
}
