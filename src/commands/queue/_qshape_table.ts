import { printable } from "../../base/printable.ts";
import type { QshapeRow, QshapeShape } from "./_qshape_counts.ts";

/** The narrowest column for domains: what does not fit beside it makes the table wider. */
const LEAST_DOMAIN = 18;

/** Headings of the columns: the total, then the age at which each ends, in minutes. */
export function qshapeHeads({ buckets, minutes, linear }: QshapeShape): readonly string[] {
  const heads = ["T"];
  let end = 0;
  for (let column = 1; column <= buckets; column++) {
    if (column < buckets) {
      end += end > 0 && !linear ? end : minutes;
      heads.push(String(end));
    } else heads.push(`${end}+`);
  }
  return heads;
}

/** The table of qshape(1), so many columns of text wide. */
export function qshapeTable(rows: readonly QshapeRow[], shape: QshapeShape, width: number): string {
  const heads = qshapeHeads(shape);
  const total = rows.find(({ domain }) => domain === "TOTAL")?.counts ?? [];
  const widths = heads.map((head, column) => {
    const digits = Math.max(String(total[column] ?? 0).length, head.length);
    return digits > 2 ? digits + 1 : 3;
  });
  const domainWidth = Math.max(LEAST_DOMAIN, width - widths.reduce((sum, each) => sum + each, 0));
  const line = (name: string, cells: readonly (string | number)[]) => {
    const columns = cells.map((cell, column) => String(cell).padStart(widths[column]!)).join("");
    return `${domainCell(name, domainWidth)}${columns}\n`;
  };
  return line("", heads) + rows.map(({ domain, counts }) => line(printable(domain), counts)).join("");
}

/** Right-aligned, counted in bytes; of a long name the end is shown behind a `+`. */
function domainCell(name: string, width: number): string {
  const bytes = Buffer.from(name);
  if (bytes.length <= width) return `${" ".repeat(width - bytes.length)}${name}`;
  const mark = name.startsWith(".") ? ".+" : "+";
  return `${mark}${bytes.subarray(bytes.length - width + mark.length).toString()}`;
}
