import type { ParameterName } from "../config/parameters/settings_type.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { OpenMaps } from "../rewrite/open_tables.ts";
import type { Agent, DeliveryReport, Outcome } from "./agent.ts";

/** Agents whose outcomes may be changed, each by a table of its own (`smtp_delivery_status_filter` and its kin). */
export const FILTERED_PROGRAMS = ["smtp", "lmtp", "local", "pipe", "virtual"] as const;

/** The parameters that name those tables; `$default_delivery_status_filter` unless set. */
export const STATUS_FILTER_PARAMETERS = [
  "smtp_delivery_status_filter",
  "lmtp_delivery_status_filter",
  "local_delivery_status_filter",
  "pipe_delivery_status_filter",
  "virtual_delivery_status_filter",
] as const satisfies readonly ParameterName[];

/**
 * The same agent, with what it reports changed by a table: the key is `STATUS TEXT`, the value a new status and, if there is more,
 * a new text. A failure stays one, but may become temporary or permanent (postconf(5), default_delivery_status_filter).
 */
export function withStatusFilter(agent: Agent, maps: OpenMaps, warn: (text: string) => void): Agent {
  const filter = (outcome: Outcome) => filtered(outcome, maps, warn);
  return {
    program: agent.program,
    close: () => agent.close(),
    async deliver(job, signal): Promise<DeliveryReport> {
      const report = await agent.deliver(job, signal);
      const outcomes: Outcome[] = [];
      for (const outcome of report.outcomes) outcomes.push(await filter(outcome));
      return { ...report, outcomes };
    },
  };
}

async function filtered(outcome: Outcome, maps: OpenMaps, warn: (text: string) => void): Promise<Outcome> {
  const { status, text } = outcome.detail;
  const found = await lookup(maps, status, text, warn);
  const parts = outcome.parts === undefined ? undefined : await Promise.all(
    outcome.parts.map(async (part) => ({ ...part, outcome: await filtered(part.outcome, maps, warn) })),
  );
  const same = parts === undefined ? outcome : { ...outcome, parts };
  return found === undefined ? same : withDetail(same, { ...outcome.detail, ...found });
}

function withDetail(outcome: Outcome, detail: RecipientDetail): Outcome {
  if (outcome.is === "sent") return { ...outcome, detail };
  return detail.status.startsWith("4")
    ? { ...outcome, is: "deferred", detail: { ...detail, action: "delayed" } }
    : { ...outcome, is: "bounced", detail: { ...detail, action: "failed" } };
}

const RESULT = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+([^]*))?$/;

function lookup(
  maps: OpenMaps,
  status: string,
  text: string,
  warn: (text: string) => void,
): MaybeAsync<Pick<RecipientDetail, "status" | "text"> | undefined> {
  return then(maps.whole.find(`${status} ${text}`), (answer) => {
    if (answer.is === "absent") return undefined;
    if (answer.is === "trouble") return void warn(answer.why);
    const [, now, said = ""] = RESULT.exec(answer.value.trim()) ?? [];
    // Success cannot become failure, nor the other way round.
    if (now === undefined || now.startsWith("2") !== status.startsWith("2")) {
      return void warn(`${maps.title}: bad status code: ${answer.value}`);
    }
    return { status: now, text: said === "" ? text : said };
  });
}
