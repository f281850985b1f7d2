import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import type { Agent, DeliveryJob, Outcome } from "../agent.ts";
import { exportedEnvironment } from "../local/command.ts";
import { deliveredTo, topLines } from "../mailbox/headers.ts";
import { commandFailed, failed } from "../outcomes.ts";
import { mailCopy } from "../mailbox/mail_copy.ts";
import type { Identity, MailWriter, TaskResult } from "../mailbox/writer.ts";
import { onlyAsks } from "../../queue/envelope.ts";
import { commandFailure, printableOutput } from "../sysexits.ts";
import { pipeArguments, pipeConfig } from "./pipe_arguments.ts";
import type { PipeConfig } from "./pipe_config.ts";

/** The parameters of a pipe service. */
export const PIPE_PARAMETERS = [
  "queue_directory",
  "recipient_delimiter",
  "export_environment",
] as const satisfies readonly ParameterName[];

/** What a pipe service is built from. */
export interface PipeDeps {
  /** master.cf service name. */
  readonly service: string;
  /** Arguments of its entry. */
  readonly args: readonly string[];
  readonly settings: SettingsOf<typeof PIPE_PARAMETERS>;
  /** `<service>_time_limit`, seconds. */
  readonly timeLimit: number;
  /** The numbers of a user and a group, or what is wrong with the names. */
  readonly identityOf: (user: string, group: string | undefined) => Identity | string;
  readonly environment: (name: string) => string | undefined;
  readonly writer: MailWriter;
  readonly now: () => number;
}

/** Builds the agent that hands mail to a program (pipe(8)). Throws when the entry of master.cf cannot be used. */
export function createPipeAgent(deps: PipeDeps): Agent {
  const config = pipeConfig(deps.service, deps.args);
  if (typeof config === "string") throw new Error(config);
  const identity = deps.identityOf(config.user, config.group);
  if (typeof identity === "string") {
    throw new Error(`service ${deps.service}: user=${config.user}: ${identity}`);
  }
  return {
    program: "pipe",
    async deliver(job) {
      const start = deps.now();
      const outcome = await deliver(job, config, identity, deps);
      return {
        outcomes: job.recipients.map(() => outcome),
        setup: 0,
        transmission: deps.now() - start,
      };
    },
    close: () => Promise.resolve(),
  };
}

async function deliver(
  job: DeliveryJob,
  config: PipeConfig,
  identity: Identity,
  deps: PipeDeps,
): Promise<Outcome> {
  const { service } = deps;
  const { recipient } = job.recipients[0]!;
  if (config.size > 0 && job.content.size > config.size) return failed(service, "5.2.3", "message too large");
  if ((config.flags.has("D") || config.flags.has("O")) && job.recipients.length > 1) {
    return failed(service, "4.3.5", `flags D and O need ${service}_destination_recipient_limit = 1`);
  }
  if (config.flags.has("D") && (await deliveredTo(job.content)).has(recipient.address.toLowerCase())) {
    return failed(service, "5.4.6", `mail forwarding loop for ${recipient.address}`);
  }
  if (onlyAsks(job.envelope)) {
    return {
      is: "sent",
      relay: service,
      detail: { status: "2.0.0", text: `delivers to command: ${config.argv[0]}`, action: "relayed" },
    };
  }
  const argv = pipeArguments(
    {
      envelope: job.envelope,
      recipients: job.recipients.map((each) => each.recipient),
      nexthop: job.nexthop,
      size: job.content.size,
    },
    config,
    deps.settings.recipient_delimiter,
  );
  job.handingOver?.();
  const result = await deps.writer.deliverTo(identity, {
    do: "command",
    argv,
    environment: {
      PATH: "/usr/bin:/bin",
      ...exportedEnvironment(deps.settings.export_environment, deps.environment),
    },
    directory: config.directory ?? deps.settings.queue_directory,
    timeLimit: deps.timeLimit * 1000,
  }, () => copy(job, config, deps.now()));
  return outcomeOf(result, config, service);
}

function copy(job: DeliveryJob, config: PipeConfig, time: number): AsyncIterable<Uint8Array> {
  const { flags } = config;
  const { recipient } = job.recipients[0]!;
  const lines = topLines({
    fromLine: flags.has("F"),
    sender: job.envelope.sender,
    time,
    original: flags.has("O") ? recipient.original : "",
    delivered: flags.has("D") ? recipient.address : "",
  });
  const prefix = flags.has("R") ? lines : lines.replace(/^Return-Path: .*\n/m, "");
  return mailCopy(job.content, {
    prefix,
    mbox: false,
    eol: config.eol,
    dots: flags.has("."),
    quoteFrom: flags.has(">"),
    blankEnd: flags.has("B"),
  });
}

function outcomeOf(result: TaskResult, config: PipeConfig, service: string): Outcome {
  if (result.is !== "exit" && result.is !== "signal" && result.is !== "time limit") {
    const why = "why" in result ? result.why : result.is;
    return failed(service, "4.3.0", `cannot run command "${config.argv[0]}": ${why}`);
  }
  const failure = commandFailure(result, config.argv[0]!);
  if (failure !== undefined) return commandFailed(service, failure);
  const output = result.is === "exit" ? printableOutput(result.output).trimEnd().slice(0, 100) : "";
  const text = `delivered via ${service} service${output === "" ? "" : ` (${output})`}`;
  const action = config.flags.has("X") ? "delivered" : "relayed";
  return { is: "sent", relay: service, detail: { status: "2.0.0", text, action } };
}
