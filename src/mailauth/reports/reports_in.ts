import { printable } from "../../base/printable.ts";
import { attachmentsOf } from "../../message/attachments.ts";
import { gunzip, type Unpacked } from "../../platform/inflate.ts";
import type { AggregateReport } from "./aggregate_report.ts";
import { decodeXml } from "./decode_xml.ts";
import { parseReport } from "./parse_report.ts";
import { zipEntries } from "./zip_entries.ts";

/** Something that is a report, or should be one. */
export type Found =
  | { readonly is: "report"; readonly report: AggregateReport }
  /** `file` is the attachment or the file inside it, "" where there is only one thing it could be. */
  | { readonly is: "fault"; readonly file: string; readonly why: string };

/** Bytes of one unpacked report; how many times more than the packed bytes, unless it is less than so much. */
const LARGEST = 20 << 20;
const [RATIO, FREE] = [250, 1 << 20];
/** Files in an archive, and bodies in a message, that are looked at; bytes that all of one source may unpack to. */
const [FILES, BODIES, LARGEST_SOURCE] = [10, 50, 60 << 20];

/** The reports in a file: one as it is, packed by gzip or in a ZIP file, or a message that brings them. Empty where there are none. */
export function reportsIn(bytes: Buffer): readonly Found[] {
  const budget = { left: LARGEST_SOURCE };
  const alone = unpackReport(bytes, "", budget);
  if (alone !== undefined) return alone;
  return attachmentsOf(bytes, BODIES).flatMap(({ name, bytes }) =>
    unpackReport(bytes, printable(name), budget) ?? []
  );
}

interface Budget {
  left: number;
}

/** Undefined for what is neither an archive nor XML. */
function unpackReport(bytes: Buffer, file: string, budget: Budget): readonly Found[] | undefined {
  const start = bytes.toString("latin1", 0, 4);
  if (start.startsWith("\x1f\x8b")) {
    return [fromPacked(gunzip(bytes, mostOf(bytes.length, budget)), file, budget)];
  }
  if (start.startsWith("PK\x03\x04") || start.startsWith("PK\x05\x06")) return fromZip(bytes, file, budget);
  return isXml(bytes) ? [fromXml(bytes, file)] : undefined;
}

/** How much packed bytes may become. */
function mostOf(packed: number, { left }: Budget): number {
  return Math.max(0, Math.min(LARGEST, left, Math.max(FREE, packed * RATIO)));
}

function fromZip(zip: Buffer, file: string, budget: Budget): readonly Found[] {
  const entries = zipEntries(zip, FILES);
  if ("fault" in entries) return [{ is: "fault", file, why: entries.fault }];
  return entries.map((entry) =>
    fromPacked(entry.unpack(mostOf(zip.length, budget)), printable(entry.name.slice(0, 300)), budget)
  );
}

function fromPacked(unpacked: Unpacked, file: string, budget: Budget): Found {
  switch (unpacked.is) {
    case "tooMuch":
      return { is: "fault", file, why: "unpacks to more than a report may have" };
    case "broken":
      return { is: "fault", file, why: `cannot be unpacked: ${unpacked.why}` };
    case "bytes":
      budget.left -= unpacked.bytes.length;
      return fromXml(unpacked.bytes, file);
  }
}

/** Whether it begins as a report does; other XML, as pages of the web may be, is none. */
function isXml(bytes: Buffer): boolean {
  const head = bytes.toString("latin1", 0, 1000).replace(/^(?:\xef\xbb\xbf|\xff\xfe)/, "").replaceAll(
    "\0",
    "",
  );
  return /^\s*<(?:\?xml\b|(?:[\w-]+:)?feedback\b)/.test(head) && head.includes("feedback");
}

function fromXml(bytes: Uint8Array, file: string): Found {
  if (bytes.length > LARGEST) return { is: "fault", file, why: "larger than a report may be" };
  const text = decodeXml(bytes);
  if (text === undefined) return { is: "fault", file, why: "in an encoding that is not known" };
  const report = parseReport(text);
  return "fault" in report ? { is: "fault", file, why: report.fault } : { is: "report", report };
}
