// Checks text against Prometheus' exposition format 0.0.4: every breach is named with its line.

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^\n]*)\})? (\S+)$/;
const LABELS = /^(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,|$))*$/;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { histogram: ["_bucket", "_sum", "_count"] };

/** Breaches of the format; empty when the text is valid. */
export function checkExposition(text: string): string[] {
  const problems: string[] = [];
  if (text !== "" && !text.endsWith("\n")) problems.push("the last line has no newline");
  const types = new Map<string, string>();
  const seen = new Set<string>();
  let family = "";
  text.split("\n").slice(0, -1).forEach((line, index) => {
    const say = (what: string) => void problems.push(`line ${index + 1}: ${what}: ${line}`);
    if (line.startsWith("# TYPE ")) {
      const [name, type] = line.slice(7).split(" ") as [string, string];
      if (!NAME.test(name) || !/^(counter|gauge|histogram|summary|untyped)$/.test(type ?? "")) {
        say("bad TYPE");
      }
      if (types.has(name)) say("second TYPE for the name");
      types.set(name, type);
      family = name;
    } else if (line.startsWith("# HELP ")) {
      if (!NAME.test(line.slice(7).split(" ")[0]!)) say("bad HELP");
    } else {
      const sample = SAMPLE.exec(line);
      if (sample === null) return say("not a sample");
      const [, name, labels = "", value] = sample as unknown as [string, string, string | undefined, string];
      if (!LABELS.test(labels)) say("bad labels");
      if (!VALUE.test(value)) say("bad value");
      const suffixes = SUFFIXES[types.get(family) ?? ""] ?? [""];
      if (!suffixes.some((suffix) => name === family + suffix)) say(`sample outside its family ${family}`);
      if (seen.has(`${name}{${labels}}`)) say("the same sample twice");
      seen.add(`${name}{${labels}}`);
    }
  });
  return problems;
}
