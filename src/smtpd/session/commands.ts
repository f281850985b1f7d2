import type { MaybeAsync } from "../../base/maybe_async.ts";
import { classed, refuse, type Reply } from "../../smtp/reply.ts";
import { auth } from "../command/auth.ts";
import { bdat, NEED_RCPT } from "../command/bdat.ts";
import { data } from "../command/data.ts";
import { etrn } from "../command/etrn.ts";
import { ehlo, helo } from "../command/helo.ts";
import { mail } from "../command/mail.ts";
import { noop } from "../command/noop.ts";
import { quit } from "../command/quit.ts";
import { rcpt } from "../command/rcpt.ts";
import { rset } from "../command/rset.ts";
import { starttls } from "../command/starttls.ts";
import { vrfy } from "../command/vrfy.ts";
import { xclient } from "../command/xclient.ts";
import { xforward } from "../command/xforward.ts";
import type { Context } from "../context.ts";
import type { CommandPhase, LinePhase, PhaseAt } from "../phase.ts";
import type { Step } from "../step.ts";
import type { Counted } from "../statistics.ts";

/** Carries a command out in a phase; the words include the verb, the line is as it came. */
export type Handler<Phase extends LinePhase> = (
  phase: Phase,
  context: Context,
  words: readonly string[],
  line: string,
) => MaybeAsync<Step>;

/** Where a command may come, and who carries it out there; elsewhere the reply that it earns (RFC 5321 §4.1.4). */
export type Places =
  & { readonly [At in CommandPhase["at"]]: Handler<PhaseAt<At>> | Reply }
  /** Left out: who was refused at the greeting hears that again. */
  & { readonly denied?: Handler<PhaseAt<"denied">> };

/** A row of the command table. */
export interface CommandRow {
  readonly counted: Counted;
  readonly places: Places;
  /** The client must wait for the answer, even with PIPELINING (RFC 2920 §3.1). */
  readonly last?: boolean;
  /** Counts against smtpd_junk_command_limit. */
  readonly junk?: boolean;
  /** Allowed before STARTTLS where TLS is demanded. */
  readonly preTls?: boolean;
  /** What it earns before HELO where that is demanded (smtpd_helo_required). */
  readonly helloFirst?: Reply;
  /** Nobody minds how early it comes. */
  readonly early?: boolean;
}

/** The commands by their names in upper case. */
export type CommandTable = Readonly<Record<string, CommandRow>>;

const HELLO_FIRST = classed(refuse(503, "5.5.1", "Error: send HELO/EHLO first"), "policy");
const NESTED = refuse(503, "5.5.1", "Error: nested MAIL command");
const NEED_MAIL = refuse(503, "5.5.1", "Error: need MAIL command");
/** XCLIENT and XFORWARD may not come in a transaction (XCLIENT_README). */
const IN_TRANSACTION = refuse(503, "5.5.1", "Error: MAIL transaction in progress");
// Postfix's ETRN has no enhanced status codes.
const ETRN_HELLO_FIRST = classed(refuse(503, undefined, "Error: send HELO/EHLO first"), "policy");
const ETRN_IN_TRANSACTION = refuse(503, undefined, "Error: MAIL transaction in progress");

const afterBdat = (verb: string) => refuse(503, "5.5.1", `Error: ${verb} after BDAT`);

/** A command that may come at any time. */
export function anywhere(run: Handler<CommandPhase>): Places {
  return { ready: run, transaction: run, bdat: run, discarding: run };
}

function betweenTransactions(run: Handler<PhaseAt<"ready">>, elsewhere: Reply): Places {
  return { ready: run, transaction: elsewhere, bdat: elsewhere, discarding: elsewhere };
}

const MAIL: Places = { ready: mail, transaction: NESTED, bdat: NESTED, discarding: afterBdat("MAIL") };
const RCPT: Places = { ready: NEED_MAIL, transaction: rcpt, bdat: afterBdat("RCPT"), discarding: NEED_MAIL };
const DATA: Places = {
  ready: NEED_RCPT,
  transaction: data,
  bdat: afterBdat("DATA"),
  discarding: afterBdat("DATA"),
};

/** The commands, as Postfix 3.7 knows them; EXPN, HELP and TURN are unknown to it. */
export const COMMANDS: CommandTable = {
  HELO: { places: anywhere(helo), counted: "helo", last: true, junk: true, preTls: true },
  EHLO: { places: anywhere(ehlo), counted: "ehlo", last: true, junk: true, preTls: true },
  XCLIENT: {
    places: betweenTransactions(xclient, IN_TRANSACTION),
    counted: "xclient",
    last: true,
    preTls: true,
  },
  XFORWARD: { places: betweenTransactions(xforward, IN_TRANSACTION), counted: "xforward", last: true },
  STARTTLS: { places: anywhere(starttls), counted: "starttls", preTls: true },
  AUTH: { places: anywhere(auth), counted: "auth" },
  MAIL: { places: MAIL, counted: "mail", helloFirst: HELLO_FIRST },
  RCPT: { places: RCPT, counted: "rcpt" },
  DATA: { places: DATA, counted: "data", last: true },
  BDAT: { places: anywhere(bdat), counted: "bdat" },
  RSET: { places: anywhere(rset), counted: "rset", junk: true },
  NOOP: { places: anywhere(noop), counted: "noop", last: true, junk: true, preTls: true },
  VRFY: { places: anywhere(vrfy), counted: "vrfy", last: true, junk: true },
  ETRN: {
    places: betweenTransactions(etrn, ETRN_IN_TRANSACTION),
    counted: "etrn",
    junk: true,
    helloFirst: ETRN_HELLO_FIRST,
  },
  QUIT: { places: { ...anywhere(quit), denied: quit }, counted: "quit", preTls: true, early: true },
};
