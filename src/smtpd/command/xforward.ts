import { isHostname } from "../../address/hostname.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { parseAttributes } from "../../smtp/command.ts";
import { accept, refuse } from "../../smtp/reply.ts";
import { mayUse } from "../policy/client_lists.ts";
import type { Context } from "../context.ts";
import type { PhaseAt } from "../phase.ts";
import { answer, type Step } from "../step.ts";
import { isUnavailable, NOT_AUTHORIZED, readAttributeAddress, readAttributePort } from "./xclient.ts";

const OK = accept(250, "2.0.0", "Ok");
const SYNTAX = refuse(501, "5.5.4", "Syntax: XFORWARD attribute=value...");

/** A value as it may stand in a log line: what could break out of an attribute there becomes `?`. */
const neutered = (value: string) => value.replace(/[ <>()\\";@]/g, "?");

/** Reads a value; undefined when it is malformed. */
type Read = (value: string) => string | undefined;

const READERS: Readonly<Record<string, Read>> = {
  NAME: (value) => isHostname(value) ? value : undefined,
  ADDR: readAttributeAddress,
  PORT: (value) => readAttributePort(value) === undefined ? undefined : value,
  PROTO: (value) => value,
  HELO: (value) => value,
  IDENT: (value) => value,
  SOURCE: (value) => /^(?:local|remote)$/i.test(value) ? value.toUpperCase() : undefined,
};

function remember(phase: PhaseAt<"ready">, { facts }: Context, words: readonly string[]): Step {
  const command = parseAttributes(words);
  if (command.verb === "malformed") return answer(phase, command.reply);
  const forwarded: Record<string, string | undefined> = { ...facts.forwarded };
  for (const [name, given] of command.attributes) {
    const value = neutered(given);
    const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (read === undefined) {
      return answer(phase, refuse(501, "5.5.4", `Bad XFORWARD attribute name: ${name}`));
    }
    const known = isUnavailable(value) ? undefined : read(value);
    if (known === undefined && !isUnavailable(value)) {
      return answer(phase, refuse(501, "5.5.4", `Bad ${name} syntax: ${value}`));
    }
    forwarded[name] = known;
  }
  return { ...answer(phase, OK), facts: { ...facts, forwarded } };
}

/** XFORWARD tells where mail came from before the client; it changes logs, not rights (XFORWARD_README). */
export function xforward(
  phase: PhaseAt<"ready">,
  context: Context,
  words: readonly string[],
): MaybeAsync<Step> {
  if (words.length < 2) return answer(phase, SYNTAX);
  return then(
    mayUse(context, "xforward"),
    (may) => may ? remember(phase, context, words) : answer(phase, NOT_AUTHORIZED),
  );
}
