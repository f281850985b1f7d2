const HEX = "0123456789ABCDEF";
/** Length at which a soft line break is put in. */
const BREAK_AFTER = 72;
const SPACE = 32;
const TAB = 9;

/** Encodes text lines as quoted-printable (RFC 2045 §6.7); a line may come in pieces. */
export class QuotedPrintable {
  #line = "";

  /** A piece of a line, without its line end. Answers what is complete, CR LF after each line. */
  push(text: Buffer): string {
    let out = "";
    for (const byte of text) {
      if (this.#line.length > BREAK_AFTER) {
        out += `${this.#line}=\r\n`;
        this.#line = "";
      }
      const plain = (byte >= SPACE && byte <= 126 && byte !== 61) || byte === TAB;
      this.#line += plain ? String.fromCharCode(byte) : encoded(byte);
    }
    return out;
  }

  /** The line ends: a blank at its end would get lost and is encoded. */
  endOfLine(): string {
    const line = this.#line;
    this.#line = "";
    const last = line.charCodeAt(line.length - 1);
    if (last !== SPACE && last !== TAB) return `${line}\r\n`;
    return `${line.slice(0, -1)}${encoded(last)}\r\n`;
  }
}

function encoded(byte: number): string {
  return `=${HEX[byte >> 4]}${HEX[byte & 15]}`;
}
