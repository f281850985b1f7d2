import type { FamilySnapshot, MetricsSnapshot, Sample } from "./metrics.ts";

/** Content type of the text format. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const escapeHelp = (text: string): string => text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
const escapeLabel = (text: string): string =>
  text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');

function labelText(names: readonly string[], values: readonly string[], more = ""): string {
  const pairs = names.map((name, i) => `${name}="${escapeLabel(values[i] ?? "")}"`);
  if (more !== "") pairs.push(more);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

function histogramLines(family: FamilySnapshot, sample: Sample): string[] {
  const bounds = [...(family.bounds ?? []), Number.POSITIVE_INFINITY];
  let seen = 0;
  const lines = bounds.map((bound, i) => {
    seen += sample.buckets?.[i] ?? 0;
    return `${family.name}_bucket${
      labelText(family.labels, sample.labels, `le="${numberText(bound)}"`)
    } ${seen}`;
  });
  const labels = labelText(family.labels, sample.labels);
  return [
    ...lines,
    `${family.name}_sum${labels} ${numberText(sample.value)}`,
    `${family.name}_count${labels} ${seen}`,
  ];
}

function familyLines(family: FamilySnapshot): string[] {
  const head = [`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.type}`];
  const body = family.samples.flatMap((sample) =>
    family.type === "histogram"
      ? histogramLines(family, sample)
      : [`${family.name}${labelText(family.labels, sample.labels)} ${numberText(sample.value)}`]
  );
  return [...head, ...body];
}

/** A snapshot in Prometheus' text exposition format, version 0.0.4. */
export function exposition(snapshot: MetricsSnapshot): string {
  return [...snapshot.flatMap(familyLines), ""].join("\n");
}
