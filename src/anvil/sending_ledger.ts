import { RecentMap } from "../base/recent_map.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";

/** How much a user who has logged in may send. */
export const SENDING_PARAMETERS = [
  "user_daily_message_limit",
  "user_daily_new_recipient_limit",
  "user_daily_recipient_limit",
  "user_hourly_message_limit",
  "user_hourly_new_recipient_limit",
  "user_hourly_recipient_limit",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type SendingSettings = SettingsOf<typeof SENDING_PARAMETERS>;

/** A message of a user, or a part of its recipients: no more than MOST_RECIPIENTS in one. */
export interface Sent {
  readonly user: string;
  readonly messages: 0 | 1;
  /** Digests of their addresses. */
  readonly recipients: readonly string[];
}

/** What comes of it. */
export interface SentVerdict {
  /** Which limit the user is over. */
  readonly over?: string;
  /** He was not before, in this hour or day. */
  readonly first?: boolean;
}

export const MOST_RECIPIENTS = 1000;

/** Users, and recipients of users, that are remembered at least. */
const LEAST_USERS = 8192;
const LEAST_SEEN = 65_536;

const PERIODS = { hourly: 3_600_000, daily: 86_400_000 } as const;
const COUNTED = ["message", "recipient", "new_recipient"] as const;
type Period = keyof typeof PERIODS;
type Counts = Record<(typeof COUNTED)[number], number>;

interface Window {
  since: number;
  readonly counts: Counts;
  told: boolean;
}

type User = Record<Period, Window>;

/** What users have sent, by hour and day, each from its first message on; master keeps it for all workers. */
export class SendingLedger {
  readonly #users = new RecentMap<string, User>(LEAST_USERS);
  /** `user recipient`: to whom a user has written. */
  readonly #seen = new RecentMap<string, true>(LEAST_SEEN);
  readonly #now: () => number;
  settings: SendingSettings;

  constructor(settings: SendingSettings, now: () => number) {
    this.settings = settings;
    this.#now = now;
  }

  take({ user, messages, recipients }: Sent): SentVerdict {
    const fresh = recipients.filter((recipient) => this.#isNew(`${user} ${recipient}`)).length;
    const windows = this.#current(user);
    for (const { counts } of Object.values(windows)) {
      counts.message += messages;
      counts.recipient += recipients.length;
      counts.new_recipient += fresh;
    }
    return this.#judge(windows);
  }

  /** The user begins anew. */
  release(user: string): void {
    this.#users.delete(user);
  }

  #isNew(key: string): boolean {
    const isNew = !this.#seen.has(key);
    this.#seen.set(key, true);
    return isNew;
  }

  #judge(windows: User): SentVerdict {
    for (const period of ["hourly", "daily"] as const) {
      for (const what of COUNTED) {
        const name = `user_${period}_${what}_limit` as const;
        const [limit, count] = [this.settings[name], windows[period].counts[what]];
        if (limit === 0 || count <= limit) continue;
        const first = !windows[period].told;
        windows[period].told = true;
        return { over: `${count}, ${name} is ${limit}`, first };
      }
    }
    return {};
  }

  #current(user: string): User {
    const now = this.#now();
    const known = this.#users.get(user);
    const windowOf = (period: Period): Window => {
      const window = known?.[period];
      return window !== undefined && window.since + PERIODS[period] > now
        ? window
        : { since: now, counts: { message: 0, recipient: 0, new_recipient: 0 }, told: false };
    };
    const windows = { hourly: windowOf("hourly"), daily: windowOf("daily") };
    this.#users.set(user, windows);
    return windows;
  }
}
