import { isPromise } from "../base/maybe_async.ts";
import { onlyAsks } from "../queue/envelope.ts";
import type { Forwarding } from "../routing/forwarding.ts";
import type { Agent, DeliveryJob, DeliveryReport } from "./agent.ts";
import { failed } from "./outcomes.ts";

/** Agents that hand mail to another host, or to a program that will. */
export const FORWARDING_PROGRAMS: readonly Agent["program"][] = ["smtp", "lmtp", "pipe"];

/** Hears under which sender a message has gone on. */
export type NoteSender = (id: string, sender: string, now: string) => void;

/**
 * The same agent, with recipients for whom mail is sent on served under a sender of ours (srs_domain). The queue keeps the true sender,
 * so what fails here is told to the sender directly; only the next host sees the other one.
 */
export function withForwardedSender(agent: Agent, forwarding: Forwarding, note: NoteSender): Agent {
  return {
    program: agent.program,
    close: () => agent.close(),
    async deliver(job, signal) {
      const { envelope } = job;
      if (envelope.sender === "" || onlyAsks(envelope)) return await agent.deliver(job, signal);
      const jobs = await jobsOf(job, forwarding);
      if ("trouble" in jobs) return deferredAll(job, jobs.trouble);
      const { forwarded, direct } = jobs;
      if (forwarded !== undefined) note(envelope.id, envelope.sender, forwarded.envelope.sender);
      if (forwarded === undefined || direct === undefined) {
        return await agent.deliver(forwarded ?? direct ?? job, signal);
      }
      const first = await agent.deliver(direct, signal);
      return joined(job, [direct, first], [forwarded, await agent.deliver(forwarded, signal)]);
    },
  };
}

/** A job for those to whom mail is sent on, and one for the others; undefined where there are none. */
interface Jobs {
  readonly forwarded: DeliveryJob | undefined;
  readonly direct: DeliveryJob | undefined;
}

async function jobsOf(
  job: DeliveryJob,
  forwarding: Forwarding,
): Promise<Jobs | { readonly trouble: string }> {
  const asked = forwarding.senderOf(job.envelope.sender);
  const sender = isPromise(asked) ? await asked : asked;
  if (typeof sender === "object") return sender;
  if (sender === undefined) return { forwarded: undefined, direct: job };
  const [forwarded, direct]: [DeliveryJob["recipients"][number][], DeliveryJob["recipients"][number][]] = [
    [],
    [],
  ];
  for (const each of job.recipients) {
    const answer = forwarding.isForwarded(each.recipient);
    const known = isPromise(answer) ? await answer : answer;
    if (typeof known === "object") return known;
    (known ? forwarded : direct).push(each);
  }
  const part = (recipients: DeliveryJob["recipients"]) =>
    recipients.length === 0 ? undefined : { ...job, recipients };
  const own = part(forwarded);
  return {
    forwarded: own === undefined ? undefined : { ...own, envelope: { ...job.envelope, sender } },
    direct: part(direct),
  };
}

function deferredAll({ recipients }: DeliveryJob, why: string): DeliveryReport {
  const outcome = failed("none", "4.3.5", `cannot tell under which sender this is to be forwarded: ${why}`);
  return { outcomes: recipients.map(() => outcome), setup: 0, transmission: 0 };
}

/** One report of two deliveries, with the outcomes in the order of the whole job. */
function joined(
  job: DeliveryJob,
  ...parts: readonly (readonly [DeliveryJob, DeliveryReport])[]
): DeliveryReport {
  const outcomes = new Map(
    parts.flatMap(([part, report]) =>
      part.recipients.map(({ index }, at) => [index, report.outcomes[at]!] as const)
    ),
  );
  const reports = parts.map(([, report]) => report);
  const last = reports.at(-1)!;
  return {
    ...last,
    outcomes: job.recipients.map(({ index }) => outcomes.get(index)!),
    setup: reports.reduce((sum, { setup }) => sum + setup, 0),
    transmission: reports.reduce((sum, { transmission }) => sum + transmission, 0),
  };
}
