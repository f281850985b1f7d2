import type { Network } from "../address/network.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { FoundValue } from "./index/record_file.ts";

/** "Not there" and "could not look" lead to different mail fates, so the type keeps them apart. */
export type Answer =
  | {
    readonly is: "found";
    readonly value: string; /** Line of the source that matched, where the type knows it. */
    readonly line?: number;
  }
  | { readonly is: "absent" }
  | {
    readonly is: "trouble";
    readonly retry: boolean;
    readonly why: string;
    readonly part?: TroublePart;
  };

/** Where the trouble was, and the reason alone, for who has words of his own for the rest: postmap(1). */
export interface TroublePart {
  readonly of: "opening" | "lookup" | "query";
  readonly reason: string;
}

/** The shared "not there". */
export const ABSENT: Answer = { is: "absent" };

/** A result that a table may give, and for which keys, for those who read a table instead of asking it. */
export type Possible =
  & {
    readonly value: string;
    /** Line of the source, where the type knows it. */
    readonly line?: number;
  }
  & (
    | { readonly is: "key"; readonly key: string }
    /** Addresses of a network, or with `negative` those outside. */
    | { readonly is: "network"; readonly network: Network; readonly negative: boolean }
    /** What a pattern matches; samples are guesses, also for the conditions around it. `varies`: the value holds parts of the key. */
    | {
      readonly is: "pattern";
      readonly pattern: string;
      readonly samples: readonly string[];
      readonly varies: boolean;
      /** Inside IF: not every key comes to it. */
      readonly inside: boolean;
    }
    | { readonly is: "any" }
  );

/** A lookup table: `type:name` of main.cf, opened. In-process types answer at once, never by a promise. */
export interface Table {
  /** As written in the configuration: `hash:/etc/postfix/access`. */
  readonly spec: string;
  /** Pattern tables (regexp, pcre, cidr) see only the whole key: no partial keys are tried (access(5)). */
  readonly pattern: boolean;
  lookup(key: string): MaybeAsync<Answer>;
  /**
   * The value of the key `bytes[start..end)`, for keys by the million; good until the next lookup. Undefined, and lookup() is to
   * be asked, where there is more to say than bytes. Missing where the type has no such way.
   */
  lookupPlain?(bytes: Uint8Array, start: number, end: number): FoundValue | "absent" | undefined;
  /** Keys and values of a table that is in memory, for listings (postmap -s); undefined or missing where there is no such thing. */
  entries?(): Iterable<readonly [key: string, value: string]> | undefined;
  /**
   * All results that it may give, in the order of lookups where that counts; undefined or missing where nobody can tell. A long
   * table may leave out those with a value that is not wanted.
   */
  possible?(wanted: (value: string) => boolean): Iterable<Possible> | undefined;
  /** Deletes a key, for tables whose server does that (postmap -d); says whether there was one. */
  remove?(key: string): Promise<boolean>;
  /** The table that this one is a cache of: listings and deletions are its matter too (memcache_table(5)). */
  readonly backup?: string;
  /** The line of the source that a key stands in, where a text is beside an index; it is read for that, so not on the mail path. */
  lineOf?(key: string): number | undefined;
  /**
   * The user id of who owns the file that answers come from, asked of the open file; undefined when that is not known. Missing
   * where there is no such file, or where the type does not say.
   */
  owner?(): number | undefined;
  /** Releases descriptors; the table answers trouble afterwards. */
  close(): void;
}
