// What tests of the SMTP client share: default settings, a job, an agent with a log that remembers.
import { internalAddress } from "../../../src/address/address.ts";
import { parameters } from "../../../src/config/parameters/parameters.ts";
import { createSmtpAgent, type SmtpAgentOptions } from "../../../src/delivery/smtp/smtp_agent.ts";
import type { Agent, DeliveryJob, DeliveryReport } from "../../../src/delivery/agent.ts";
import { parseHosts } from "../../../src/dns/hosts.ts";
import { createResolver } from "../../../src/dns/resolver.ts";
import { events } from "../../../src/observe/events.ts";
import type { Log } from "../../../src/observe/log.ts";
import type { Envelope, QueueId, Recipient } from "../../../src/queue/envelope.ts";

type ClientSettingsInput = SmtpAgentOptions["settings"];

/** Built-in defaults, enough expansion for the client's parameters. */
export function defaultSettings(changes: Partial<ClientSettingsInput> = {}): ClientSettingsInput {
  const seconds = (text: string) => {
    const match = /^(\d+)([smhdw]?)$/.exec(text);
    const unit = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 }[match?.[2] || "s"] ?? 1;
    return Number(match?.[1] ?? 0) * unit;
  };
  const value = (name: string, row: { type: string; fallback: string }): unknown => {
    const text = row.fallback.startsWith("$") || row.fallback.startsWith("(") ? "" : row.fallback;
    if (row.type === "bool") return text === "yes";
    if (row.type === "time") return seconds(text);
    if (row.type === "int" || row.type === "size") return Number(text);
    void name;
    return text;
  };
  const all = Object.fromEntries(
    Object.entries(parameters).map(([name, row]) => [name, value(name, row)]),
  ) as unknown as ClientSettingsInput;
  return {
    ...all,
    myhostname: "mail.example.com",
    smtp_helo_name: "mail.example.com",
    lmtp_lhlo_name: "mail.example.com",
    ...changes,
  };
}

/** A log that keeps its lines, `program: text`. */
function memoryLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    emit: (program, name, fields) => {
      const kind = events[name] as { text(fields: unknown): string };
      lines.push(`${program}: ${kind.text(fields)}`);
    },
    note: (program, level, text) =>
      void lines.push(`${program}: ${level === "info" ? "" : `${level}: `}${text}`),
  };
}

export interface JobOptions extends Partial<Omit<Envelope, "recipients" | "id">> {
  readonly nexthop: string;
  readonly to?: readonly (string | Recipient)[];
  readonly content?: string | Buffer;
  /** Hands the content over in pieces of this size, as for a message too big for memory. */
  readonly chunk?: number;
  readonly more?: boolean;
}

/** A delivery job with one recipient unless told otherwise. */
export function jobOf(options: JobOptions): DeliveryJob {
  const {
    nexthop,
    to = ["bob@example.net"],
    content = "Subject: test\r\n\r\nhello\r\n",
    chunk,
    more,
    ...rest
  } = options;
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const recipients = to.map((one) =>
    typeof one === "string"
      ? { address: internalAddress(one), original: internalAddress(one), notify: 0 }
      : one
  );
  return {
    envelope: {
      id: "4ABCDEF0123" as QueueId,
      arrival: 0,
      sender: internalAddress("ann@example.com"),
      origin: {},
      ...rest,
      recipients,
    },
    recipients: recipients.map((recipient, index) => ({ index, recipient })),
    transport: "smtp",
    nexthop,
    content: {
      size: bytes.length,
      bytes: chunk === undefined ? bytes : undefined,
      async *chunks() {
        const step = chunk ?? bytes.length;
        for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
      },
    },
    ...(more === undefined ? {} : { more }),
  };
}

export interface TestAgent {
  readonly agent: Agent;
  readonly lines: string[];
  deliver(options: JobOptions, signal?: AbortSignal): Promise<DeliveryReport>;
}

/** An agent that asks no real name server. */
export function testAgent(
  changes: Partial<ClientSettingsInput> = {},
  options: Partial<SmtpAgentOptions> = {},
): TestAgent {
  const log = memoryLog();
  const agent = createSmtpAgent({
    program: "smtp",
    settings: defaultSettings(changes),
    resolver: createResolver({ servers: [] }),
    hosts: parseHosts("127.0.0.1 localhost\n"),
    log,
    ownAddresses: [],
    ...options,
  });
  return {
    agent,
    lines: log.lines,
    deliver: (job, signal = new AbortController().signal) => agent.deliver(jobOf(job), signal),
  };
}

/** One line per recipient: `status dsn relay (text)`. */
export function outcomeLines(report: DeliveryReport): string[] {
  return report.outcomes.map(({ is, relay, detail }) => `${is} ${detail.status} ${relay} (${detail.text})`);
}
