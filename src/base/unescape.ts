const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** Resolves `\t`, `\40` and `\\` in a setting, as C does (pipe(8) eol, postconf(5) smtpd_expansion_filter). */
export function unescape(text: string): string {
  return text.replace(/\\([0-7]{1,3}|.)/gs, (_all, code: string) => {
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 255);
    return ESCAPES[code] ?? code;
  });
}
