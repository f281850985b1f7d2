import type net from "node:net";

/** Connections at a time: of all, and of one address (of IPv6 a /64, which is what one peer has). */
const MOST = 256;
const MOST_OF_ONE = 32;
/** How long a peer may take, in milliseconds. */
export interface HttpDeadlines {
  /** A request has to be there by then, head and body, however it drips; also the next one on the same connection. */
  readonly request: number;
  /** An answer has to be made and read by then. */
  readonly answer: number;
}

export const HTTP_DEADLINES: HttpDeadlines = { request: 10_000, answer: 60_000 };

/** One connection, as its server tells of it. */
export interface AdmittedConnection {
  /** A whole request has come. */
  answering(): void;
  /** It has been answered. */
  waiting(): void;
}

/** The peer that connections are counted for: an IPv6 address by its first four groups. */
export function peerKeyOf(address: string): string {
  if (!address.includes(":")) return address;
  if (address.startsWith("::ffff:")) return address.slice(7);
  const [front = ""] = address.split("::");
  const groups = front === "" ? [] : front.split(":");
  return [...groups, "0", "0", "0", "0"].slice(0, 4).join(":");
}

/** Counts connections, ends those that take too long, and lets newcomers in by ending who has said nothing for longest. */
export class HttpAdmission {
  readonly most = MOST;
  readonly #deadlines: HttpDeadlines;
  readonly #all = new Set<TrackedConnection>();
  readonly #byPeer = new Map<string, Set<TrackedConnection>>();

  constructor(deadlines: HttpDeadlines) {
    this.#deadlines = deadlines;
  }

  /** Undefined when there is no room: everybody's requests are being answered. */
  enter(socket: net.Socket): AdmittedConnection | undefined {
    const visitor = peerKeyOf(socket.remoteAddress ?? "");
    const own = this.#byPeer.get(visitor) ?? new Set<TrackedConnection>();
    if (own.size >= MOST_OF_ONE && !endIdle(own)) return undefined;
    if (this.#all.size >= MOST && !endIdle(this.#all)) return undefined;
    const guest = new TrackedConnection(socket, this.#deadlines, () => this.#leave(guest, visitor));
    this.#all.add(guest);
    own.add(guest);
    this.#byPeer.set(visitor, own);
    return guest;
  }

  #leave(guest: TrackedConnection, visitor: string): void {
    this.#all.delete(guest);
    const own = this.#byPeer.get(visitor);
    own?.delete(guest);
    if (own?.size === 0) this.#byPeer.delete(visitor);
  }

  close(): void {
    for (const guest of this.#all) guest.end();
  }
}

/** Ends the oldest that is not being answered. */
function endIdle(guests: ReadonlySet<TrackedConnection>): boolean {
  for (const guest of guests) {
    if (guest.isAnswered) continue;
    guest.end();
    return true;
  }
  return false;
}

class TrackedConnection implements AdmittedConnection {
  readonly #socket: net.Socket;
  readonly #deadlines: HttpDeadlines;
  readonly #leave: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isAnswered = false;

  constructor(socket: net.Socket, deadlines: HttpDeadlines, leave: () => void) {
    this.#socket = socket;
    this.#deadlines = deadlines;
    this.#leave = leave;
    socket.on("error", () => {});
    socket.on("close", () => this.#gone());
    this.waiting();
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  answering(): void {
    this.#isAnswered = true;
    this.#within(this.#deadlines.answer);
  }

  waiting(): void {
    this.#isAnswered = false;
    this.#within(this.#deadlines.request);
  }

  #within(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.#socket.destroyed) this.#timer = setTimeout(() => this.end(), milliseconds);
  }

  end(): void {
    this.#gone();
    this.#socket.destroy();
  }

  #gone(): void {
    clearTimeout(this.#timer);
    this.#leave();
  }
}
