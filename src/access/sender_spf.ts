import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import type { SpfQuery } from "../mailauth/spf/check_spf.ts";
import type { SpfResult } from "../mailauth/spf/spf_result.ts";
import type { Facts } from "./policy.ts";

/** Judges a client by the domain whose name it uses (RFC 7208). */
export type CheckSender = (query: SpfQuery) => Promise<SpfResult>;

/** What SPF says of the senders of one session: looked up when somebody asks first, then kept while client, HELO name and sender stay. */
export interface SenderSpf {
  /** Undefined before MAIL: there is nobody to judge. */
  of(facts: Facts): MaybeAsync<SpfResult> | undefined;
  /** Another transaction begins: what could not be looked up may be there now. */
  begin(): void;
}

interface Known {
  readonly key: string;
  result: MaybeAsync<SpfResult>;
}

/** The SPF results of a session that begins; `receiver` is our name. */
export function openSenderSpf(check: CheckSender, receiver: string): SenderSpf {
  let known: Known | undefined;
  const ask = (query: SpfQuery, key: string): Known => {
    const pending = check(query);
    const asked: Known = { key, result: pending };
    pending.then((result) => asked.result = result, () => known = known === asked ? undefined : known);
    return asked;
  };
  return {
    of({ client, helo = "", sender }) {
      if (sender === undefined) return undefined;
      const key = `${client.address}\n${helo}\n${sender}`;
      if (known?.key !== key) known = ask({ ip: client.address, helo, sender, receiver }, key);
      return known.result;
    },
    begin() {
      if (known !== undefined && !isPromise(known.result) && known.result.is === "temperror") {
        known = undefined;
      }
    },
  };
}
