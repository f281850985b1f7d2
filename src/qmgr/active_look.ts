/** What an active message is waiting for at one destination. */
export interface WaitingFor {
  readonly transport: string;
  readonly nexthop: string;
  /** Recipients that are with an agent, and those whose turn has not come. */
  readonly withAgent: number;
  readonly waiting: number;
  /** Deliveries to that destination that are under way, for whatever message, and how many there may be at the moment. */
  readonly running: number;
  readonly limit: number;
  /** Milliseconds since 1970 before which nothing goes there (a rate delay), where that is ahead. */
  readonly pausedUntil?: number;
}

/** How it stands with a message of the active queue. */
export interface ActiveLook {
  /** When it entered, milliseconds since 1970. */
  readonly since: number;
  /** Nothing, while its recipients' ways are looked for. */
  readonly destinations: readonly WaitingFor[];
}
