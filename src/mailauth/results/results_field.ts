import type { AuthProperty, AuthResult } from "../auth_result.ts";

/** Lines are shorter where what stands on them can be parted (RFC 5322 §2.1.1). */
const LINE = 78;
/** Values and comments are cut there: a line may have 998 bytes (RFC 5322 §2.1.1). */
const VALUE = 300;
const COMMENT = 200;

const TOKEN = /^[!#$%&'*+.^_`{|}~0-9A-Za-z-]+$/;
/** `[[local-part]@]domain-name` may stand without quotes (RFC 8601 §2.2, pvalue). */
const ADDRESS = /^[!#$%&'*+/=?^_`{|}~.0-9A-Za-z-]*@[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?$/;
const DOTS = /^\.|\.\.|\.@/;

/** A value as the grammar has it: as it is, or a quoted string (RFC 8601 §2.2). One line always. */
export function printValue(value: string, mayBeAddress = false): string {
  const shown = value.slice(0, VALUE).replace(/[\x00-\x1f\x7f]/g, "?");
  if (TOKEN.test(shown) || (mayBeAddress && ADDRESS.test(shown) && !DOTS.test(shown))) return shown;
  return `"${shown.replace(/["\\]/g, "\\$&")}"`;
}

function printComment(comment: string): string {
  const inside = comment.slice(0, COMMENT).replace(/[\x00-\x1f\x7f]/g, "?");
  return `(${inside.replaceAll("(", "[").replaceAll(")", "]").replaceAll("\\", "/")})`;
}

const printProperty = ({ type, name, value }: AuthProperty): string =>
  `${type}.${name}=${printValue(value, true)}`;

/** What stands together, in pieces between which a line may end. */
function piecesOf({ method, result, comment, reason, properties }: AuthResult): string[] {
  return [
    `${method}=${result}`,
    ...(comment === undefined ? [] : [printComment(comment)]),
    ...(reason === undefined ? [] : [`reason=${printValue(reason)}`]),
    ...properties.map(printProperty),
  ];
}

/** The value of the field, folded, without an end of line: `mx.example.com;` and the results (RFC 8601 §2.2). Text is as in JavaScript. */
export function printResults(authservId: string, results: readonly AuthResult[]): string {
  const id = printValue(authservId);
  if (results.length === 0) return `${id}; none`;
  const lines = results.map((result, at) => {
    const last = at === results.length - 1 ? "" : ";";
    return `\r\n\t${foldPieces(piecesOf(result))}${last}`;
  });
  return `${id};${lines.join("")}`;
}

function foldPieces(pieces: readonly string[]): string {
  let text = "";
  let column = 8;
  for (const piece of pieces) {
    // Room for a semicolon at the end.
    const fits = column + 1 + piece.length + 1 <= LINE;
    if (text === "") {
      text = piece;
      column += piece.length;
    } else if (fits) {
      text += ` ${piece}`;
      column += 1 + piece.length;
    } else {
      text += `\r\n\t ${piece}`;
      column = 9 + piece.length;
    }
  }
  return text;
}

/** The same where it goes into a header: in wire form, one character a byte; what is beyond ASCII only in one that may have it (RFC 8616). */
export function wireResults(
  authservId: string,
  results: readonly AuthResult[],
  smtputf8: boolean | undefined,
): string {
  const text = printResults(authservId, results);
  return smtputf8 === true
    ? Buffer.from(text, "utf8").toString("latin1")
    : text.replace(/[^\x00-\x7f]/g, "?");
}

/** The whole field of what `wireResults` says, its CR LF included. */
export function resultsField(value: string): string {
  return `Authentication-Results: ${value}\r\n`;
}
