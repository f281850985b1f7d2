// What a report of `bun test --reporter=junit` says: how many tests passed, failed, were skipped, and which failed and why.

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Failure {
  /** Relative to where the tests were run. */
  readonly file: string;
  readonly line: string;
  readonly test: string;
  readonly text: string;
}

const CHARACTERS: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescapeXml(text: string): string {
  return text.replace(
    /&(?:#(\d+)|(\w+));/g,
    (whole, code?: string, name?: string) =>
      code !== undefined ? String.fromCodePoint(Number(code)) : CHARACTERS[name ?? ""] ?? whole,
  );
}

const attribute = (tag: string, name: string): string =>
  unescapeXml(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? "");

export function countOf(junit: string): Count {
  const head = /<testsuites[^>]*>/.exec(junit)?.[0] ?? "";
  const number = (name: string) => Number(attribute(head, name));
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - number("skipped"), failed, skipped: number("skipped") };
}

export function failuresOf(junit: string): readonly Failure[] {
  return [...junit.matchAll(/<testcase ([^>]*[^/])>\s*<(?:failure|error)\b([^>]*?)(?:\/>|>([^<]*)<)/g)].map(
    ([, tag = "", failure = "", text = ""]) => ({
      file: attribute(tag, "file"),
      line: attribute(tag, "line"),
      test: [attribute(tag, "classname"), attribute(tag, "name")].filter((part) => part !== "").join(" > "),
      text: unescapeXml(text).trim() || attribute(failure, "message") || attribute(failure, "type"),
    }),
  );
}
