import { type AnvilEvent, MOST_EVENTS } from "../../anvil/anvil_ledger.ts";
import { MOST_RECIPIENTS, type Sent, type SentVerdict } from "../../anvil/sending_ledger.ts";
import type { LoginEvent } from "../../anvil/login_ledger.ts";
import type { FlushAnswer } from "../../flush/flush.ts";
import { flushAnswer } from "../../master/control/control_verbs.ts";
import type { LoginClient, LoginVerdict } from "../../smtpd/deps.ts";
import {
  finite,
  flag,
  integer,
  list,
  nothing,
  oneOf,
  optional,
  pair,
  record,
  type Shape,
  text,
} from "../../base/shape.ts";

/** Longest key of a lease; longer ones are shortened by who asks. */
export const LONGEST_KEY = 1024;

/** Longest name of a client: `service:range of addresses`. */
const LONGEST_CLIENT = 256;

/** What a worker asks of master: what only master can do. */
export interface MasterVerbs {
  /** Path of the socket of a delivery helper with that identity. */
  readonly helper: { readonly args: { readonly uid: number; readonly gid: number }; readonly result: string };
  /** Answered when fewer than `limit` hold the key. */
  readonly lease: { readonly args: { readonly key: string; readonly limit: number }; readonly result: null };
  readonly release: { readonly args: { readonly key: string }; readonly result: null };
  /** What clients did; answered with the counts that each led to. */
  readonly anvil: {
    readonly args: { readonly events: readonly AnvilEvent[] };
    readonly result: readonly (readonly [number, number])[];
  };
  /** Makes the deferred mail for a site due, whichever worker has it. */
  readonly flush_site: { readonly args: { readonly site: string }; readonly result: FlushAnswer };
  /** What a user has sent; answered with the limit that he is over. */
  readonly sent: { readonly args: Sent; readonly result: SentVerdict };
  /** A login that begins, or has come to something; answered with what is known against who tries. */
  readonly login: { readonly args: LoginEvent; readonly result: LoginVerdict };
}

export type MasterVerb = keyof MasterVerbs;
export type MasterArgs<V extends MasterVerb> = MasterVerbs[V]["args"];
export type MasterResult<V extends MasterVerb> = MasterVerbs[V]["result"];

/** Carries out what workers ask for; `worker` is the number of who asks. */
export type MasterService = {
  readonly [V in MasterVerb]: (args: MasterArgs<V>, worker: number) => Promise<MasterResult<V>>;
};

/** Asks master. Rejects with ServiceFault. */
export type AskMaster = <V extends MasterVerb>(verb: V, args: MasterArgs<V>) => Promise<MasterResult<V>>;

interface VerbShapes<V extends MasterVerb> {
  readonly args: Shape<MasterArgs<V>>;
  readonly result: Shape<MasterResult<V>>;
}

const KEY = text(LONGEST_KEY);
const ID = integer(0, 0xffff_ffff);
const event: Shape<AnvilEvent> = pair(
  oneOf("connect", "disconnect", "newTlsRate", "mail", "recipient", "newTls", "auth"),
  text(LONGEST_CLIENT),
);

const loginEvent = record<{
  readonly is: LoginEvent["is"];
  readonly client: LoginClient;
  readonly user?: string;
}>({
  is: oneOf("begin", "failed", "passed"),
  client: record<LoginClient>({ range: text(LONGEST_CLIENT), network: text(LONGEST_CLIENT) }),
  user: optional(text(LONGEST_CLIENT)),
});

/** The check of each verb, for both ends. */
export const MASTER_VERBS: { readonly [V in MasterVerb]: VerbShapes<V> } = {
  helper: { args: record<MasterArgs<"helper">>({ uid: ID, gid: ID }), result: text(4096) },
  lease: {
    args: record<MasterArgs<"lease">>({ key: KEY, limit: integer(1, 1_000_000) }),
    result: nothing,
  },
  release: { args: record<MasterArgs<"release">>({ key: KEY }), result: nothing },
  anvil: {
    args: record<MasterArgs<"anvil">>({ events: list(event, MOST_EVENTS) }),
    result: list(pair(finite, finite), MOST_EVENTS),
  },
  flush_site: { args: record<MasterArgs<"flush_site">>({ site: text(1024) }), result: flushAnswer },
  sent: {
    args: record<Sent>({
      user: text(LONGEST_KEY),
      messages: oneOf(0, 1),
      recipients: list(text(64), MOST_RECIPIENTS),
    }),
    result: record<SentVerdict>({ over: optional(text(256)), first: optional(flag) }),
  },
  login: {
    args: loginEvent,
    result: record<LoginVerdict>({ refusedFor: finite, delay: finite, rank: oneOf(0, 1, 2) }),
  },
};

export function isMasterVerb(name: string): name is MasterVerb {
  return Object.hasOwn(MASTER_VERBS, name);
}
