import { parseRcptParameters, type RcptParameters } from "../../smtp/rcpt_parameters.ts";
import { decodeXtext } from "../../smtp/xtext.ts";
import { fromBytesText } from "../latin1.ts";

type Warn = (text: string) => void;

const wordsOf = (parameters: string) => fromBytesText(parameters).split(" ").filter((word) => word !== "");

/** What a filter says about notices to the sender that it sets (SMFIR_CHGFROM): RET and ENVID, nothing else. */
export function readSenderReport(
  parameters: string,
  warn: Warn,
): { readonly ret?: "FULL" | "HDRS"; readonly envid?: string } {
  let report = {};
  for (const word of wordsOf(parameters)) {
    const [, name = "", value = ""] = /^([^=]*)=([^]*)$/.exec(word) ?? [];
    const [upper, envid] = [value.toUpperCase(), decodeXtext(value)?.toString("latin1")];
    if (name.toUpperCase() === "RET" && (upper === "FULL" || upper === "HDRS")) {
      report = { ...report, ret: upper };
    } else if (name.toUpperCase() === "ENVID" && envid !== undefined && /^[\x20-\x7e]+$/.test(envid)) {
      report = { ...report, envid };
    } else warn(`Ignoring bad ESMTP parameter "${word}" in SMFI_CHGFROM request`);
  }
  return report;
}

/** What it says about notices of a recipient that it adds (SMFIR_ADDRCPT_PAR): NOTIFY and ORCPT, each once. */
export function readRecipientReport(parameters: string, warn: Warn): RcptParameters {
  let report: RcptParameters = { notify: 0 };
  for (const word of wordsOf(parameters)) {
    const name = /^(NOTIFY|ORCPT)=/i.exec(word)?.[1]?.toUpperCase();
    const shown = `Milter or header/body_checks: "${word.slice(0, 100)}"`;
    const read = name === undefined ? undefined : parseRcptParameters([word]);
    const isSecond = name === "NOTIFY" ? report.notify !== 0 : report.orcpt !== undefined;
    if (read === undefined) warn(`ignoring ESMTP argument from ${shown}`);
    else if ("code" in read || isSecond) warn(`Bad ${name} parameter from ${shown}`);
    else report = { ...report, ...read, notify: read.notify || report.notify };
  }
  return report;
}
