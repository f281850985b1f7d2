const HEX = "0123456789ABCDEF";
/** A line this long gets a soft line break before its next byte. */
const LONG = 73;
/** What does not stand for itself: controls, `=`, bytes beyond ASCII. */
const ENCODED = /[^\t\x20-\x3c\x3e-\x7e]/g;

/** Encodes text lines as quoted-printable (RFC 2045 §6.7); a line may come in pieces. */
export class QuotedPrintable {
  #line = "";

  /** A piece of a line, without its line end. Answers what is complete, CR LF after each line. */
  push(text: Buffer): string {
    const all = this.#line + text.toString("latin1").replace(ENCODED, (char) => encoded(char.charCodeAt(0)));
    let out = "";
    let at = 0;
    for (let end = breakAfter(all, at); end < all.length; end = breakAfter(all, at)) {
      out += `${all.slice(at, end)}=\r\n`;
      at = end;
    }
    this.#line = all.slice(at);
    return out;
  }

  /** The line ends: a blank at its end would get lost and is encoded. */
  endOfLine(): string {
    const line = this.#line;
    this.#line = "";
    const last = line.at(-1);
    if (last !== " " && last !== "\t") return `${line}\r\n`;
    return `${line.slice(0, -1)}${encoded(last.charCodeAt(0))}\r\n`;
  }
}

/** Where the line that starts at `at` is long enough; an encoded byte is not cut. */
function breakAfter(text: string, at: number): number {
  const end = at + LONG;
  if (text[end - 1] === "=") return end + 2;
  return text[end - 2] === "=" ? end + 1 : end;
}

function encoded(byte: number): string {
  return `=${HEX[byte >> 4]}${HEX[byte & 15]}`;
}
