import type { Topic, TopicFindings } from "../../master/check/check_configured.ts";
import { gravest, summaryLine } from "../../master/check/report.ts";
import { type CheckResult, ok, problem, type Remedy, warning } from "../check_result.ts";

/** What a topic comes to when nothing is wrong with it. */
export type AllWell = Readonly<Record<Exclude<Topic, "configuration">, string>>;

const TOPICS: readonly Topic[] = ["configuration", "tables", "certificates"];

/** What `mta check` finds, by what it is about; the text of each finding says where it is and what would be right. */
export function checkFindings(groups: readonly TopicFindings[], allWell: AllWell): CheckResult[] {
  return TOPICS.flatMap((topic) => {
    const findings = groups.filter((group) => group.topic === topic).flatMap((group) => group.findings);
    const lines = gravest(findings).map(({ severity, text }) => {
      const say = severity === "refused" || severity === "closed" ? problem : warning;
      const { found, remedy } = separated(text);
      return say(topic, found, remedy);
    });
    if (lines.length > 0) return lines;
    return [ok(topic, topic === "configuration" ? summaryLine(findings).text : allWell[topic])];
  });
}

const ADVICE = /^(.*?)[;.,] To make the index anew: (.*)$/s;

/** A table that is older than its source says what makes it anew. */
function separated(text: string): { readonly found: string; readonly remedy: Remedy } {
  const [, found, fix] = ADVICE.exec(text) ?? [];
  return found === undefined || fix === undefined ? { found: text, remedy: {} } : { found, remedy: { fix } };
}
