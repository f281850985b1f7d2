import type { KeyReport } from "../../cleanup/signing/key_report.ts";
import type { KeyReports } from "../../cleanup/signing/report_keys.ts";
import { writeOut } from "../../platform/process/this_process.ts";

/** 0: all is well; 1: signatures fail, or there are none; 2: it cannot be told. */
export function statusOf({ keys, problems, without }: KeyReports): number {
  const isGrave = keys.some((key) => key.problems.some(({ grave }) => grave));
  if (isGrave || problems.length > 0 || without.length > 0 || keys.length === 0) return 1;
  return keys.some(isUntold) ? 2 : 0;
}

function isUntold({ published }: KeyReport): boolean {
  return published === "unknown" || published === "unread";
}

/** Tells it. */
export function printFindings(findings: KeyReports, json: boolean): void {
  if (json) return writeOut(`${JSON.stringify({ ok: statusOf(findings) === 0, ...findings })}\n`);
  const { keys, problems, without, notes } = findings;
  writeOut(keys.map(linesOf).join(""));
  for (const text of problems) writeOut(`wrong: ${text}\n`);
  for (const text of notes) writeOut(`note: ${text}\n`);
  for (const domain of without) writeOut(`no key: mail from ${domain} is not signed\n`);
  if (keys.length === 0 && problems.length === 0 && without.length === 0) writeOut("there are no keys\n");
}

function linesOf(key: KeyReport): string {
  const { domain, selector, algorithm, bits, problems } = key;
  const kind = algorithm === undefined ? "" : algorithm === "rsa-sha256" ? `, RSA ${bits} bits` : ", Ed25519";
  const word = problems.some(({ grave }) => grave) ? "fails" : isUntold(key) ? "unknown" : "good";
  const head = `${word}: s=${selector} d=${domain}${kind}\n`;
  return head + problems.map(({ text, fix }) => `  ${text}\n    ${fix}\n`).join("");
}
