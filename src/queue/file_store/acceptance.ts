import type { QueueEvent } from "../log/file_store_options.ts";
import type { QueueFault } from "../store.ts";

/**
 * What may keep the queue from taking mail: it is not where it was, its log or its content files cannot be written, there is no
 * space. The first one counts.
 */
const CAUSES = ["place", "writing", "content", "room"] as const;
/** One of them. */
export type Cause = (typeof CAUSES)[number];

/** Whether the queue takes mail: the one notion that smtpd, readiness, log and metric go by. */
export class Acceptance {
  readonly #report: (event: QueueEvent) => void;
  readonly #troubles = new Map<Cause, QueueFault>();

  constructor(report: (event: QueueEvent) => void) {
    this.#report = report;
  }

  /** Enters a trouble, or that it is over. Told are the first one, each that outweighs it, and that none is left. */
  set(cause: Cause, trouble: QueueFault | undefined): void {
    const [before, known] = [this.trouble, this.#troubles.has(cause)];
    if (trouble === undefined) this.#troubles.delete(cause);
    else this.#troubles.set(cause, trouble);
    const now = this.trouble;
    if (now === undefined) return before === undefined ? undefined : this.#report({ is: "recovered" });
    if (now !== trouble || known) return;
    this.#report({ is: "fault", what: "write to the queue", why: now.message, full: now.full });
  }

  get(cause: Cause): QueueFault | undefined {
    return this.#troubles.get(cause);
  }

  /** Why no mail is taken; undefined when it is. */
  get trouble(): QueueFault | undefined {
    for (const cause of CAUSES) {
      const trouble = this.#troubles.get(cause);
      if (trouble !== undefined) return trouble;
    }
    return undefined;
  }
}
