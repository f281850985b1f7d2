import type { MaybeAsync } from "../../base/maybe_async.ts";
import { takeResponse } from "../command/auth_exchange.ts";
import { commitContent, judgeContent, skipChunk, takeChunk, takeData } from "./content.ts";
import { admit, count, limit, lookUp, welcome, wrap } from "./greeting.ts";
import type { Phase } from "../phase.ts";
import { type CommandReader, readCommand } from "./read_command.ts";
import type { Step } from "../step.ts";

/** What each phase does next: a piece of work, or what it makes of the input. Undefined while there is not enough of that. */
export function proceed(phase: Phase, session: CommandReader): MaybeAsync<Step> | undefined {
  switch (phase.at) {
    case "arriving":
      return lookUp(session);
    case "named":
      return admit(session, phase);
    case "wrapping":
      return wrap(session, phase);
    case "securing":
      return undefined;
    case "counting":
      return count(session, phase, session.input);
    case "limiting":
      return limit(session, phase);
    case "welcoming":
      return welcome(session, phase);
    case "denied":
    case "ready":
    case "transaction":
    case "bdat":
    case "discarding":
      return readCommand(phase, session);
    case "authenticating":
      return takeResponse(phase, session, session.input);
    case "data":
      return takeData(phase, session.input);
    case "chunk":
      return takeChunk(phase, session.input);
    case "skipping":
      return skipChunk(phase, session.input);
    case "ended":
      return judgeContent(session, phase);
    case "committing":
      return commitContent(session, phase);
  }
}
