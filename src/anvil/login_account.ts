import { networkTop } from "../address/network.ts";
import { systemClock } from "../base/clock.ts";
import { inTime } from "../base/in_time.ts";
import type { LoginAccount, LoginVerdict } from "../smtpd/deps.ts";
import type { LoginEvent } from "./login_ledger.ts";

/** Asks the ledger, which is master's. */
export type AskLogins = (event: LoginEvent) => Promise<LoginVerdict>;

/** How a service counts its clients and names its users. */
export interface LoginAccountOptions {
  /** smtpd_client_ipv4_prefix_length and smtpd_client_ipv6_prefix_length. */
  readonly prefixLengths: { readonly ipv4: number; readonly ipv6: number };
  /** smtpd_sasl_local_domain: `ann` is `ann@` that domain. */
  readonly realm: string;
  /** Milliseconds that an answer is waited for. */
  readonly timeLimit?: number;
}

/** What one household or company has in common: a provider gives out no less than a /64, and hardly less than a /24 to who has many. */
const NETWORK = { ipv4: 24, ipv6: 64 };
const TIME_LIMIT = 5000;
/** Without an answer, as when master has just died, nobody is refused; he waits behind those that are known. */
const UNKNOWN: LoginVerdict = { refusedFor: 0, delay: 0, rank: 1 };
const LONGEST_USER = 100;

/** smtpd's account of failed logins in a worker: master's ledger counts for all of them. */
export function loginAccount(askLogins: AskLogins, options: LoginAccountOptions): LoginAccount {
  const { prefixLengths, realm, timeLimit = TIME_LIMIT } = options;
  const clientOf = (address: string) => ({
    range: networkTop(address, prefixLengths) ?? address,
    network: networkTop(address, NETWORK) ?? address,
  });
  const userOf = (name: string) => {
    const whole = name.includes("@") || realm === "" ? name : `${name}@${realm}`;
    return whole.toLowerCase().slice(0, LONGEST_USER);
  };
  const ask = async (event: LoginEvent) => {
    try {
      return await inTime(askLogins(event), { clock: systemClock, limit: timeLimit, late: UNKNOWN });
    } catch {
      return UNKNOWN;
    }
  };
  return {
    begin: (address) => ask({ is: "begin", client: clientOf(address) }),
    failed: (address, user) =>
      ask({ is: "failed", client: clientOf(address), ...(user !== undefined && { user: userOf(user) }) }),
    passed: (address, user) => ask({ is: "passed", client: clientOf(address), user: userOf(user) }),
  };
}
