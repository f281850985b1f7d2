// Every way to write an address in a header, the odd ones too, and lists of them.

/** Ways to write one address. */
export const ADDRESS_FORMS: readonly string[] = [
  "a",
  "a@b",
  "a@b.example",
  "<a@b.example>",
  "A B <a@b.example>",
  "a@b.example (c (d) e)",
  "(c) a@b.example",
  "A (x) <a>",
  '"A, B" <a@b.example>',
  '"a b"@c.example',
  '<"a b"@c.example>',
  "<@r.example:a@b.example>",
  "<@r.example,@s.example:a@b.example>",
  "@r.example:a@b.example",
  "<>",
  "<a>",
  "@b.example",
  "a@",
  "<a@>",
  "<@b.example>",
  "a b c",
  "a.b@c",
  '"a"@b.example',
  '"a\\"b"@c.example',
  '"x y" z@c',
  "a@[1.2.3.4]",
  "<a@[1.2.3.4]>",
  "a@b@c",
  "a%b",
  "a%b@c.example",
  "a!b",
  "b.example!a",
  "g: a, b@c.example;",
  "g: ;",
  "A. B. <a>",
  "=?utf-8?q?x?= <a>",
  "a@b.example.",
  "a@b..example",
  ".a@b.example",
  "a..b@c.example",
  "a+x",
  "a@B.Example",
  "<a b@c>",
  "<a (c) @ b.example>",
  "a @ b.example",
  "a at b",
  "a,,b",
  ",a",
  "a,",
  "a@b.example>",
  "(unclosed a",
  "a;b",
  "[x]",
  "a\tb@c",
  "<a>b<c>",
  "A <a> (x) B",
  "postmaster",
  "\xc3\xa9@b.example",
  "x \xc3\xa9 <a>",
  "\xe9@b.example",
  "a very long name of somebody who writes <a.long.address.of.somebody@a.very.long.domain.example>",
];

const HEADERS = [
  "To",
  "From",
  "Cc",
  "Reply-To",
  "Sender",
  "Resent-To",
  "Errors-To",
  "Return-Receipt-To",
] as const;
const BETWEEN = [", ", ",", ",\r\n\t", " ,\r\n "] as const;

/** `count` header fields with lists; `below(n)` is a random number under n. */
export function addressLists(count: number, below: (n: number) => number): string[] {
  const one = <T>(of: readonly T[]): T => of[below(of.length)]!;
  return Array.from({ length: count }, () => {
    const between = one(BETWEEN);
    const list = Array.from({ length: 1 + below(4) }, () => one(ADDRESS_FORMS)).join(between);
    return `${one(HEADERS)}: ${list}`;
  });
}
