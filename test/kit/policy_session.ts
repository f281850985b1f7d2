// Plays the SMTP commands of a scenario against an access policy alone: what smtpd would answer as far as policy decides.
import type { AccessPolicy, ClientFacts, Decision, Facts, Stage } from "../../src/access/policy.ts";
import { type Reply, replyText } from "../../src/smtp/reply.ts";

/** The client as XCLIENT presents it. */
export interface ScriptClient {
  readonly address?: string;
  /** Verified name; undefined: none. */
  readonly name?: string;
  readonly nameStatus?: 4 | 5;
  readonly reverseName?: string;
  readonly reverseNameStatus?: 4 | 5;
  readonly login?: string;
}

/** One line of the log that policy asked for: verb, stage and text. */
export interface NotedLine {
  readonly verb: string;
  readonly stage: string;
  readonly text: string;
}

/** What came of a script: a reply for each command, and the notes and rejects in order. */
export interface Played {
  readonly replies: string[];
  readonly log: NotedLine[];
  readonly warnings: string[];
}

/** The client's facts for a script. */
export function clientOf(client: ScriptClient): ClientFacts {
  return {
    address: client.address ?? "192.0.2.7",
    port: 40000,
    name: client.name ?? "unknown",
    reverseName: client.reverseName ?? client.name ?? "unknown",
    nameStatus: client.name !== undefined ? 2 : client.nameStatus ?? 5,
    reverseNameStatus: (client.reverseName ?? client.name) !== undefined ? 2 : client.reverseNameStatus ?? 5,
  };
}

interface State {
  helo?: string;
  esmtp: boolean;
  sender?: string;
  recipients: string[];
  lastRecipient?: string;
  discarding: boolean;
  held: boolean;
}

/** Addresses in scripts are written in internal form. */
export async function playScript(
  policy: AccessPolicy,
  client: ScriptClient,
  commands: readonly string[],
): Promise<Played> {
  const played: Played = { replies: [], log: [], warnings: [] };
  const peer = clientOf(client);
  const state: State = { esmtp: true, recipients: [], discarding: false, held: false };
  const check = async (stage: Stage, changes: Partial<Facts>): Promise<Reply | undefined> => {
    const facts: Facts = {
      service: "smtp",
      client: peer,
      server: { address: "127.0.0.1", port: 25 },
      peerAddress: "127.0.0.1",
      protocol: state.esmtp ? "ESMTP" : "SMTP",
      helo: state.helo,
      sender: state.sender,
      recipient: stage === "DATA" || stage === "END-OF-MESSAGE" ? state.lastRecipient : undefined,
      recipientCount: state.recipients.length,
      size: 0,
      saslUsername: client.login,
      saslMethod: client.login === undefined ? undefined : "XCLIENT",
      discarding: state.discarding,
      held: state.held,
      ...changes,
    };
    const decision: Decision = await policy.check(stage, facts);
    for (const effect of decision.effects) {
      if (effect.is === "discard") state.discarding = true;
      if (effect.is === "hold") state.held = true;
    }
    played.warnings.push(...decision.warnings ?? []);
    for (const { verb, text } of decision.notes) played.log.push({ verb, stage, text });
    if (decision.refusal !== undefined) {
      played.log.push({ verb: "reject", stage, text: replyText(decision.refusal) });
    }
    return decision.refusal;
  };
  const greeting = await check("CONNECT", {});
  played.replies.push(greeting === undefined ? "220" : replyText(greeting));
  for (const command of commands) {
    const closed = /^(?:421|521) /.test(played.replies.at(-1) ?? "") || played.replies.at(-1) === "(closed)";
    played.replies.push(
      closed ? "(closed)" : await step(command, state, check, policy, greeting !== undefined),
    );
  }
  return played;
}

type Check = (stage: Stage, changes: Partial<Facts>) => Promise<Reply | undefined>;

async function step(
  command: string,
  state: State,
  check: Check,
  policy: AccessPolicy,
  refused: boolean,
): Promise<string> {
  const [verb, ...rest] = command.split(" ");
  const argument = rest.join(" ");
  if (refused) return "503 5.5.0 <client>: Client host rejected: Access denied";
  const text = (reply: Reply | undefined, ok: string) => reply === undefined ? ok : replyText(reply);
  switch (verb) {
    case "EHLO":
    case "HELO": {
      state.esmtp = verb === "EHLO";
      const refusal = await check(verb, { helo: argument });
      if (refusal === undefined) state.helo = argument;
      return text(refusal, "250");
    }
    case "MAIL": {
      if (state.sender !== undefined) return "503 5.5.1 Error: nested MAIL command";
      if (!await policy.acceptsAddress(argument, undefined, false)) {
        return "501 5.1.7 Bad sender address syntax";
      }
      const refusal = await check("MAIL", { sender: argument });
      if (refusal === undefined) {
        Object.assign(state, { sender: argument, recipients: [], lastRecipient: undefined });
        state.discarding = state.held = false;
      }
      return text(refusal, "250 2.1.0 Ok");
    }
    case "RCPT": {
      if (state.sender === undefined) return "503 5.5.1 Error: need MAIL command";
      if (!await policy.acceptsAddress(argument, state.sender, false)) {
        return "501 5.1.3 Bad recipient address syntax";
      }
      const refusal = await check("RCPT", { recipient: argument });
      if (refusal === undefined) {
        state.recipients.push(argument);
        state.lastRecipient = argument;
      }
      return text(refusal, "250 2.1.5 Ok");
    }
    case "VRFY":
      return text(await check("VRFY", { recipient: argument }), `252 2.0.0 ${argument}`);
    case "RSET":
      Object.assign(state, { sender: undefined, recipients: [], lastRecipient: undefined });
      state.discarding = state.held = false;
      return "250 2.0.0 Ok";
    case "DATA": {
      if (state.recipients.length === 0) {
        return state.sender === undefined
          ? "503 5.5.1 Error: need RCPT command"
          : "554 5.5.1 Error: no valid recipients";
      }
      const refusal = await check("DATA", {});
      return text(refusal, "354");
    }
    case ".": {
      const refusal = await check("END-OF-MESSAGE", {});
      if (refusal === undefined) {
        Object.assign(state, { sender: undefined, recipients: [], lastRecipient: undefined });
        state.discarding = state.held = false;
      }
      return text(refusal, "250 2.0.0 Ok: queued");
    }
    default:
      throw new Error(`unknown command in script: ${command}`);
  }
}
