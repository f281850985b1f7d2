import { RecentMap } from "../base/recent_map.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { LoginClient, LoginVerdict } from "../smtpd/deps.ts";
import { FailureTally, type TallyLimits } from "./failure_tally.ts";

/** The parameters of failed logins. */
export const LOGIN_FAILURE_PARAMETERS = [
  "login_ban_time",
  "login_failure_limit",
  "login_failure_network_limit",
  "login_failure_time_unit",
  "login_failure_user_limit",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type LoginFailureSettings = SettingsOf<typeof LOGIN_FAILURE_PARAMETERS>;

/** What a worker tells of a login, before it and after it. */
export type LoginEvent =
  | { readonly is: "begin"; readonly client: LoginClient }
  /** `user` is undefined where nobody knows who was tried. */
  | { readonly is: "failed" | "passed"; readonly client: LoginClient; readonly user?: string };

/** What failures are counted by. */
export const LOGIN_KINDS = ["address", "network", "user"] as const;
export type LoginKind = (typeof LOGIN_KINDS)[number];

/** Tells one of them from other words. */
export function isLoginKind(word: string): word is LoginKind {
  return (LOGIN_KINDS as readonly string[]).includes(word);
}

/** Who may not log in now. */
export interface LoginBan {
  readonly kind: LoginKind;
  readonly what: string;
  readonly failures: number;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** What of the account of failed logins outlives a restart. */
export interface RememberedBans {
  readonly bans: readonly LoginBan[];
  /** Networks from which users who are shut out have logged in before, and still may. */
  readonly familiar: readonly { readonly user: string; readonly network: string }[];
}

/** How many addresses, networks and users are remembered for their failures at least; and networks from which a user has logged in. */
const LEAST: Readonly<Record<LoginKind, number>> = { address: 32_768, network: 8192, user: 8192 };
const LEAST_FAMILIAR = 16_384;

/** So many bans outlive a restart, those that last longest. */
const MOST_REMEMBERED = 5000;

/** Failures that cost nothing: everybody mistypes. */
const FREE = 1;
/** Seconds that an answer is held back at most. */
const LONGEST_DELAY = 16;
/** What the limits of networks and users stand for where addresses have none. */
const SCALE = 20;

/** The delay before the answer to the nth failure, in seconds: 0, 1, 2, 4, 8, 16, 16, ... */
export function delayAfter(failures: number): number {
  return failures <= FREE ? 0 : Math.min(2 ** (failures - FREE - 1), LONGEST_DELAY);
}

/**
 * The one account of failed logins, by address, network and user; master keeps it for all workers, old and new ones of a reload alike.
 * A user who is guessed at is still let in from networks where he has logged in before: guessing must not lock anybody out.
 */
export class LoginLedger {
  readonly #tallies: Readonly<Record<LoginKind, FailureTally>> = {
    address: new FailureTally(LEAST.address),
    network: new FailureTally(LEAST.network),
    user: new FailureTally(LEAST.user),
  };
  /** `user network`, who logged in last at the end. */
  readonly #familiar = new RecentMap<string, true>(LEAST_FAMILIAR);
  /** Networks from which somebody has logged in. */
  readonly #networks = new RecentMap<string, true>(LEAST_FAMILIAR);
  readonly #now: () => number;
  readonly #banned: (ban: LoginBan) => void;
  settings: LoginFailureSettings;
  /** Hears when somebody is shut out or let in. */
  changed: () => void = () => {};

  /** `banned` hears of each ban when it begins. */
  constructor(settings: LoginFailureSettings, now: () => number, banned: (ban: LoginBan) => void) {
    this.settings = settings;
    this.#now = now;
    this.#banned = banned;
  }

  take(event: LoginEvent): LoginVerdict {
    switch (event.is) {
      case "begin":
        return this.#begin(event.client);
      case "failed":
        return this.#failed(event.client, event.user);
      case "passed":
        return this.#passed(event.client, event.user);
    }
  }

  #begin({ range, network }: LoginClient): LoginVerdict {
    const now = this.#now();
    const refused = Math.max(
      this.#tallies.address.refusedFor(range, now),
      this.#tallies.network.refusedFor(network, now),
    );
    return { refusedFor: seconds(refused), delay: 0, rank: this.#rank(range, network) };
  }

  /** Where passwords wait to be compared: the known first, then those that nothing is known of, guessers last. */
  #rank(range: string, network: string): LoginVerdict["rank"] {
    if (this.#share("address", range) > 0) return 2;
    if (this.#networks.has(network)) return 0;
    return this.#share("network", network) > 1 ? 2 : 1;
  }

  #failed({ range, network }: LoginClient, user: string | undefined): LoginVerdict {
    const refusedFor = this.#refusedUser(user, network);
    this.#add("address", range);
    this.#add("network", network);
    if (user !== undefined) this.#add("user", user);
    const familiar = user === undefined || this.#familiar.has(`${user} ${network}`);
    const worst = Math.max(
      this.#share("address", range),
      this.#share("network", network),
      familiar ? 0 : this.#share("user", user),
    );
    return { refusedFor, delay: delayAfter(Math.floor(worst)), rank: 2 };
  }

  #passed({ network }: LoginClient, user: string | undefined): LoginVerdict {
    const refusedFor = this.#refusedUser(user, network);
    if (refusedFor === 0) {
      if (user !== undefined) this.#familiar.set(`${user} ${network}`, true);
      this.#networks.set(network, true);
    }
    return { refusedFor, delay: 0, rank: 0 };
  }

  #refusedUser(user: string | undefined, network: string): number {
    if (user === undefined || this.#familiar.has(`${user} ${network}`)) return 0;
    return seconds(this.#tallies.user.refusedFor(user, this.#now()));
  }

  /** Failures of an address; those of a network or user in proportion, so that its limit is as bad as an address's. */
  #share(kind: LoginKind, key: string): number {
    const limits = this.#limits(kind);
    if (limits.limit === 0) return 0;
    const count = this.#tallies[kind].count(key, this.#now(), limits);
    return kind === "address" ? count : (count * (this.settings.login_failure_limit || SCALE)) / limits.limit;
  }

  #add(kind: LoginKind, what: string): void {
    const limits = this.#limits(kind);
    const now = this.#now();
    if (limits.limit === 0 || !this.#tallies[kind].add(what, now, limits)) return;
    this.changed();
    this.#banned({
      kind,
      what,
      failures: this.#tallies[kind].count(what, now, limits),
      until: now + limits.ban,
    });
  }

  #limits(kind: LoginKind): TallyLimits {
    const { login_failure_time_unit: unit, login_ban_time: ban } = this.settings;
    const limit = {
      address: this.settings.login_failure_limit,
      network: this.settings.login_failure_network_limit,
      user: this.settings.login_failure_user_limit,
    }[kind];
    return { limit, unit: unit * 1000, ban: ban * 1000 };
  }

  /** Who may not log in now. */
  *bans(): Generator<LoginBan> {
    for (const kind of LOGIN_KINDS) {
      for (const { key: what, failures, until } of this.#tallies[kind].bans(this.#now())) {
        yield { kind, what, failures, until };
      }
    }
  }

  /** What is to outlive a restart. */
  remembered(): RememberedBans {
    const bans = [...this.bans()].sort((one, other) => other.until - one.until).slice(0, MOST_REMEMBERED);
    const users = new Set(bans.filter(({ kind }) => kind === "user").map(({ what }) => what));
    const familiar = [...this.#familiar.entries()].map(([key]) => {
      const blank = key.lastIndexOf(" ");
      return { user: key.slice(0, blank), network: key.slice(blank + 1) };
    });
    return { bans, familiar: familiar.filter(({ user }) => users.has(user)).slice(-MOST_REMEMBERED) };
  }

  /** Shuts out who was before a restart, for as long as is left, and no longer than anybody now. */
  restore({ bans, familiar }: RememberedBans): void {
    const now = this.#now();
    for (const { kind, what, failures, until } of bans.slice(0, MOST_REMEMBERED)) {
      const { limit, ban } = this.#limits(kind);
      if (limit > 0 && until > now) {
        this.#tallies[kind].restore(what, now, { failures, until: Math.min(until, now + ban) });
      }
    }
    for (const { user, network } of familiar) this.#familiar.set(`${user} ${network}`, true);
  }

  /** Lifts the ban of an address, network or user, and forgets its failures; whether there was one. */
  lift(what: string): boolean {
    const now = this.#now();
    const lifted = LOGIN_KINDS.map((kind) => this.#tallies[kind].forget(what, now)).includes(true);
    if (lifted) this.changed();
    return lifted;
  }
}

const seconds = (milliseconds: number) => Math.ceil(milliseconds / 1000);
