import { isHostname } from "../../address/hostname.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { parseAttributes } from "../../smtp/command.ts";
import { accept, refuse } from "../../smtp/reply.ts";
import { mayUse } from "./helo.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Session } from "../smtpd_session.ts";
import {
  IN_TRANSACTION,
  isUnavailable,
  NOT_AUTHORIZED,
  readAttributeAddress,
  readAttributePort,
} from "./xclient.ts";

const OK = outcomeOf(accept(250, "2.0.0", "Ok"));

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

function remember(session: Session, words: readonly string[]): Outcome {
  const command = parseAttributes(words);
  if (command.verb === "malformed") return outcomeOf(command.reply);
  const forwarded: Partial<Record<string, string>> = { ...session.forwarded };
  for (const [name, given] of command.attributes) {
    const value = neutered(given);
    const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (read === undefined) return outcomeOf(refuse(501, "5.5.4", `Bad XFORWARD attribute name: ${name}`));
    const known = isUnavailable(value) ? undefined : read(value);
    if (known === undefined && !isUnavailable(value)) {
      return outcomeOf(refuse(501, "5.5.4", `Bad ${name} syntax: ${value}`));
    }
    if (known === undefined) delete forwarded[name];
    else forwarded[name] = known;
  }
  session.forwarded = forwarded;
  return OK;
}

/** XFORWARD tells where mail came from before the client; it changes logs, not rights (XFORWARD_README). */
export function xforward(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  if (session.phase.at !== "ready") return IN_TRANSACTION;
  if (words.length < 2) return outcomeOf(refuse(501, "5.5.4", "Syntax: XFORWARD attribute=value..."));
  return then(mayUse(session, "xforward"), (may) => may ? remember(session, words) : NOT_AUTHORIZED);
}
