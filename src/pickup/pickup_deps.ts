import type { MaybeAsync } from "../base/maybe_async.ts";
import type { Clock } from "../base/clock.ts";
import type { Bouncer } from "../bounce/bouncer.ts";
import type { Cleanup } from "../cleanup/cleanup.ts";
import type { Log } from "../observe/log.ts";
import type { QueueStore } from "../queue/store.ts";
import type { Rewriter } from "../rewrite/rewriter.ts";
import type { SenderRefusal } from "./login_senders.ts";
import type { PickupSettings } from "./pickup_settings.ts";

/** What pickup is built from. */
export interface PickupDeps {
  /** Of the entry in master.cf. */
  readonly settings: PickupSettings;
  readonly cleanup: Cleanup;
  readonly bouncer: Pick<Bouncer, "failed">;
  readonly rewriter: Pick<Rewriter, "standardForm">;
  readonly store: Pick<QueueStore, "newId" | "custody" | "refusal">;
  /** The login name of a user; undefined when the system knows none. */
  readonly loginName: (uid: number) => string | undefined;
  /** Why the user of that name may not submit mail; undefined when he may. */
  readonly submitRefusal: (login: string) => Promise<SenderRefusal>;
  /** Why he may not use the sender. */
  readonly senderRefusal: (login: string, sender: string) => MaybeAsync<SenderRefusal>;
  readonly log: Log;
  /** Of the cleanup that the messages go through. */
  readonly cleanupLog: Log;
  readonly clock: Clock;
  /** Seconds between two looks at everything in the folder. */
  readonly wakeup: number;
  /** Number of this worker, and how many share the work. */
  readonly index: number;
  readonly workers: number;
}
