import { encodeXtext } from "../../smtp/xtext.ts";

/** Attributes in the order in which Postfix's smtpd tells them. */
const ATTRIBUTES = ["NAME", "ADDR", "PORT", "HELO", "IDENT", "PROTO", "SOURCE"] as const;

/** What is known of where a message comes from; what is missing is not available. */
export type Told = Readonly<Partial<Record<(typeof ATTRIBUTES)[number], string>>>;

const UNAVAILABLE = "[UNAVAILABLE]";
/** Bytes of attributes in one command, so that it fits a line of RFC 5321 §4.5.3.1.4. */
const PAYLOAD = 512 - "250 XFORWARD\r\n".length;

/** The XFORWARD commands for the attributes that a filter takes (XFORWARD_README), without line ends. */
export function xforwardLines(told: Told, offered: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "";
  for (const name of ATTRIBUTES.filter((each) => offered.includes(each))) {
    const value = told[name];
    const attribute = ` ${name}=${value === undefined ? UNAVAILABLE : encodeXtext(value)}`;
    if (line !== "" && line.length + attribute.length > PAYLOAD) {
      lines.push(`XFORWARD${line}`);
      line = "";
    }
    line += attribute;
  }
  return line === "" ? lines : [...lines, `XFORWARD${line}`];
}
