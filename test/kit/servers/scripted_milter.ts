// A milter for tests: writes down what it hears, and answers as the test says, also what no filter should.
import net from "node:net";
import { type Command, parseCommand, printCommand } from "../../../src/milter/command.ts";
import { PacketReader } from "../../../src/milter/packet_reader.ts";
import { COMMANDS } from "../../../src/milter/protocol.ts";
import { printResponse, type Response } from "../../../src/milter/response.ts";

/** What is done in place of a response, or after one. */
export type Accident = "close" | "silence" | { readonly raw: string };

/** What a command is answered with, one after the other. */
export type Play = readonly (Response | Accident)[];

/** A milter's part. What is not given is answered with `continue`. */
export interface MilterScript {
  /** Its side of the negotiation; the version and bits that it has are the server's own where they are left out. */
  readonly negotiate?: {
    readonly version?: number;
    readonly actions?: number;
    readonly events?: number;
    /** Bytes behind them: lists of macros. */
    readonly more?: string;
  } | Accident;
  /** Answers by command: to each, or to the first, second, ... of them, the last one holding on. */
  readonly on?: Partial<Record<Command["is"], Play | readonly Play[]>>;
  /** Commands that it does not answer (SMFIP_NR_...), besides those that never are. */
  readonly mute?: readonly Command["is"][];
  /** Macros are not written down. */
  readonly withoutMacros?: true;
}

/** A running one. */
export interface ScriptedMilter {
  /** `inet:127.0.0.1:port`, `inet:[::1]:port` or `unix:path`. */
  readonly name: string;
  /** What was heard since the last `play`, a line each. */
  readonly heard: string[];
  readonly open: number;
  /** Bytes of body that were heard. */
  readonly bodyBytes: number;
  play(script: MilterScript): void;
  /** Says something on every connection, unasked. */
  say(response: Response): void;
  close(): Promise<void>;
}

const NEVER_ANSWERED: ReadonlySet<Command["is"]> = new Set(["abort", "quit", "macro"]);

const isPlays = (plays: Play | readonly Play[]): plays is readonly Play[] => Array.isArray(plays[0]);

const CONTINUE: Play = [{ is: "continue" }];

/** Starts one, on a free port (of an IPv6 address) or at a path. */
export async function startScriptedMilter(place = "127.0.0.1"): Promise<ScriptedMilter> {
  const state = { script: {} as MilterScript, heard: [] as string[], open: 0, bodyBytes: 0 };
  let counts = new Map<string, number>();
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    state.open++;
    sockets.add(socket);
    const reader = new PacketReader();
    const { script, heard } = state;
    const played = counts;
    socket.on("error", () => {}).on("close", () => {
      sockets.delete(socket);
      state.open--;
    });
    socket.on("data", (chunk: Buffer) => {
      reader.add(chunk);
      for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
        if ("bad" in packet) return void heard.push(`bad: ${packet.bad}`);
        const command = parseCommand(packet.letter, packet.data);
        if (command === undefined) return void heard.push(`not read: ${packet.letter}`);
        if (command.is === "body") state.bodyBytes += command.bytes.length;
        if (command.is !== "macro" || !script.withoutMacros) heard.push(textOf(command));
        answer(command);
      }
    });
    const answer = (command: Command) => {
      if (command.is === "negotiate") return negotiate(command);
      if (command.is === "quit") return void socket.end();
      if (NEVER_ANSWERED.has(command.is) || script.mute?.includes(command.is)) return;
      const plays = script.on?.[command.is] ?? CONTINUE;
      const count = played.get(command.is) ?? 0;
      played.set(command.is, count + 1);
      act(isPlays(plays) ? plays[Math.min(count, plays.length - 1)]! : plays);
    };
    const act = (play: Play) => {
      for (const step of play) {
        if (step === "silence") return;
        if (step === "close") return void socket.end();
        socket.write("raw" in step ? Buffer.from(step.raw, "latin1") : printResponse(step));
      }
    };
    const negotiate = ({ version, actions }: Extract<Command, { readonly is: "negotiate" }>) => {
      const own = script.negotiate ?? {};
      if (own === "close" || own === "silence" || "raw" in own) return act([own]);
      const packet = printCommand({
        is: "negotiate",
        version: own.version ?? version,
        actions: own.actions ?? actions,
        events: own.events ?? 0,
      });
      if (own.more === undefined) return void socket.write(packet);
      const whole = Buffer.concat([packet, Buffer.from(own.more, "latin1")]);
      whole.writeUInt32BE(whole.length - 4, 0);
      socket.write(whole);
    };
  });
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(net.isIP(place) > 0 ? { host: place, port: 0 } : { path: place }, done);
  });
  const address = server.address();
  return {
    name: typeof address === "object" && address !== null
      ? `inet:${net.isIPv6(place) ? `[${place}]` : place}:${address.port}`
      : `unix:${place}`,
    get heard() {
      return state.heard;
    },
    get open() {
      return state.open;
    },
    get bodyBytes() {
      return state.bodyBytes;
    },
    play(script) {
      state.script = script;
      state.heard = [];
      state.bodyBytes = 0;
      counts = new Map();
    },
    say(response) {
      for (const socket of sockets) socket.write(printResponse(response));
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

const hex = (value: number) => `0x${value.toString(16)}`;

/** A command as a line. */
export function textOf(command: Command): string {
  switch (command.is) {
    case "negotiate":
      return `negotiate ${command.version} ${hex(command.actions)} ${hex(command.events)}`;
    case "macro": {
      const pairs = [];
      for (let at = 0; at < command.texts.length; at += 2) {
        pairs.push(`${command.texts[at]}=${command.texts[at + 1]}`);
      }
      return `  macros ${nameOf(command.command)}: ${pairs.join(" ")}`;
    }
    case "connect": {
      const { host, peer } = command;
      return `connect ${host} ${peer.family}${peer.family === "U" ? "" : ` ${peer.port} ${peer.address}`}`;
    }
    case "helo":
    case "unknown":
      return `${command.is} ${command.text}`;
    case "mail":
    case "rcpt":
      return `${command.is} ${command.words.join(" ")}`;
    case "header":
      return `header ${JSON.stringify(command.name)} ${JSON.stringify(command.value)}`;
    case "body": {
      const text = Buffer.from(command.bytes).toString("latin1");
      return `body ${text.length} ${JSON.stringify(text.slice(0, 60))}`;
    }
    default:
      return command.is;
  }
}

const nameOf = (letter: string) =>
  Object.entries(COMMANDS).find(([, each]) => each === letter)?.[0] ?? letter;
