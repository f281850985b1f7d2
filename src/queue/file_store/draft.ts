import { GatheredBytes } from "../../base/gathered_bytes.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Envelope, QueueId } from "../envelope.ts";
import { queueFault } from "../fault.ts";
import type { BodyBlocks } from "./body_blocks.ts";
import { KeptBody } from "./kept_body.ts";
import type { SpoolWriter } from "../log/spool.ts";
import { type Draft, QueueFault } from "../store.ts";

/** Content that is complete. */
export interface FinishedContent {
  /** All of it, or the head when the body is durable in a spool file. */
  readonly bytes: Uint8Array;
  /** Of the body in a spool file; undefined when there is none. */
  readonly checksum: number | undefined;
  /** Of all. */
  readonly size: number;
  /** The body in a spool file, if all of it could be kept in memory; whoever takes the content drops it. */
  readonly body: KeptBody | undefined;
}

/** What a draft needs of its store. */
export interface DraftOptions {
  readonly id: QueueId;
  readonly spoolThreshold: number;
  readonly bodyBlocks: BodyBlocks;
  readonly openSpool: (id: QueueId) => SpoolWriter;
  /** Makes the spool file's directory entry durable. */
  readonly syncSpool: () => Promise<void>;
  /** Throws when a spool file is not where the next start will look for it. */
  readonly confirmSpool: (path: string, identity: string) => void;
  readonly dropSpool: (id: QueueId) => void;
  /** Hears how the spool file went: of its fault, or that all of it is durable. */
  readonly spooled: (fault: QueueFault | undefined) => void;
  /** Resolves when the message is durable. */
  readonly append: (envelope: Envelope, content: FinishedContent) => Promise<void>;
}

/** One piece that holds no more memory than it needs. */
function compact(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1 && only.buffer.byteLength <= 2 * only.length + 4096) {
    return only;
  }
  return Buffer.concat(pieces);
}

/** From this size on a body is copied once only: it is kept behind room for a head. */
const LARGE = 16_384;
const HEAD_ROOM = 4096;

/** Bytes of a body's beginning, which are the caller's again. */
function ownCopy(bytes: Uint8Array): Buffer {
  if (bytes.length < LARGE) return Buffer.from(bytes);
  const own = Buffer.allocUnsafeSlow(HEAD_ROOM + bytes.length).subarray(HEAD_ROOM);
  own.set(bytes);
  return own;
}

/** Head and body in one; a body that is one large piece stays where it is. */
function withHead(head: Uint8Array, body: readonly Uint8Array[]): Uint8Array {
  const [only] = body;
  if (only === undefined || body.length > 1 || only.length < LARGE || head.length > HEAD_ROOM) {
    return compact([head, ...body]);
  }
  const whole = Buffer.from(only.buffer, HEAD_ROOM - head.length, head.length + only.length);
  whole.set(head);
  return whole;
}

/** Pieces of one message that are kept one by one. */
const MOST_PIECES = 16;

/** A body in memory as long as it is small, then in a file. */
export class StoreDraft implements Draft {
  readonly id: QueueId;
  size = 0;
  readonly #options: DraftOptions;
  #pieces: Uint8Array[] = [];
  /** What comes after many pieces goes together: small ones would take far more memory than their bytes. */
  #gathered: GatheredBytes | undefined;
  #spool: SpoolWriter | undefined;
  /** The body beside its file, as long as there is room for it. */
  #body: KeptBody | undefined;
  /** The last write to the file that nobody waits for. */
  #writing: Promise<void> | undefined;
  #state: "open" | "committing" | "ended" = "open";

  constructor(options: DraftOptions) {
    this.id = options.id;
    this.#options = options;
  }

  write(bytes: Uint8Array): MaybeAsync<void> {
    if (this.#state !== "open") throw new Error(`Draft ${this.id} is closed`);
    this.size += bytes.length;
    if (this.#spool !== undefined) return this.#writeTo(this.#spool, bytes);
    if (this.size > this.#options.spoolThreshold) return this.#startSpool(bytes);
    this.#keep(bytes);
  }

  #keep(bytes: Uint8Array): void {
    const own = this.#pieces.length === 0 ? ownCopy(bytes) : Buffer.from(bytes);
    if (this.#pieces.length < MOST_PIECES) return void this.#pieces.push(own);
    this.#gathered ??= new GatheredBytes();
    this.#gathered.add(own);
  }

  /** All that is in memory, which is then no longer here. */
  #takePieces(): readonly Uint8Array[] {
    const pieces = this.#gathered === undefined ? this.#pieces : [...this.#pieces, this.#gathered.bytes];
    this.#pieces = [];
    this.#gathered = undefined;
    return pieces;
  }

  #startSpool(bytes: Uint8Array): MaybeAsync<void> {
    const pieces = this.#takePieces();
    try {
      const spool = this.#spool = this.#options.openSpool(this.id);
      this.#body = new KeptBody(this.#options.bodyBlocks);
      return this.#writeTo(spool, ...pieces, bytes);
    } catch (error) {
      this.#state = "ended";
      const fault = queueFault(`spool message ${this.id}`, error);
      this.#options.spooled(fault);
      return Promise.reject(fault);
    }
  }

  /** As long as there are blocks, bytes are copied there and go to the file some blocks at a time, one write behind the other. */
  #writeTo(spool: SpoolWriter, ...pieces: readonly Uint8Array[]): MaybeAsync<void> {
    const body = this.#body;
    if (body === undefined) return this.#watch(spool.write(...pieces));
    for (let i = 0; i < pieces.length; i++) {
      const taken = body.add(pieces[i]!);
      if (taken === pieces[i]!.length) continue;
      const rest = [pieces[i]!.subarray(taken), ...pieces.slice(i + 1)];
      return this.#dropBody(spool.write(...body.takeUnwritten("all"), ...rest));
    }
    const unwritten = body.takeUnwritten("much");
    if (unwritten.length === 0) return;
    const before = this.#writing;
    this.#writing = this.#watch(spool.write(...unwritten));
    this.#writing.catch(() => {}); // whoever writes next, or ends the draft, hears of it
    return before;
  }

  /** What has no room is in the file only; its blocks are free when they are written. */
  #dropBody(written: Promise<void>): MaybeAsync<void> {
    const body = this.#body;
    this.#body = undefined;
    return this.#watch(written.finally(() => body?.drop()));
  }

  /** Writes what has come to the file. */
  async #writeRest(spool: SpoolWriter): Promise<void> {
    const unwritten = this.#body?.takeUnwritten("all") ?? [];
    if (unwritten.length > 0) await spool.write(...unwritten);
  }

  #watch(written: Promise<void>): Promise<void> {
    return written.catch((error) => {
      this.#options.spooled(queueFault(`spool message ${this.id}`, error));
      throw error;
    });
  }

  restart(): MaybeAsync<void> {
    this.size = 0;
    this.#takePieces();
    if (this.#spool !== undefined) return this.#restart(this.#spool);
  }

  async #restart(spool: SpoolWriter): Promise<void> {
    await this.#watch(spool.restart());
    this.#body?.drop();
    this.#body = new KeptBody(this.#options.bodyBlocks);
  }

  async *read(): AsyncIterable<Uint8Array> {
    if (this.#spool !== undefined) {
      await this.#watch(this.#writeRest(this.#spool));
      return yield* this.#spool.read();
    }
    yield* this.#pieces;
    if (this.#gathered !== undefined) yield this.#gathered.bytes;
  }

  async commit(envelope: Envelope, head: Uint8Array): Promise<void> {
    if (envelope.id !== this.id) throw new Error(`Draft ${this.id} committed as ${envelope.id}`);
    if (this.#state !== "open") throw new QueueFault(`commit message ${this.id}`, "the draft is closed");
    this.#state = "committing";
    try {
      await this.#options.append(envelope, await this.#finish(head));
      this.#state = "ended";
    } catch (error) {
      this.#drop();
      throw queueFault(`commit message ${this.id}`, error);
    }
  }

  async #finish(head: Uint8Array): Promise<FinishedContent> {
    const size = head.length + this.size;
    if (this.#spool === undefined) {
      return { bytes: withHead(head, this.#takePieces()), checksum: undefined, size, body: undefined };
    }
    try {
      await this.#writeRest(this.#spool);
      await this.#spool.finish();
      await this.#options.syncSpool();
      this.#options.confirmSpool(this.#spool.path, this.#spool.identity);
    } catch (error) {
      this.#options.spooled(queueFault(`spool message ${this.id}`, error));
      throw error;
    }
    this.#options.spooled(undefined);
    return { bytes: compact([head]), checksum: this.#spool.checksum, size, body: this.#body };
  }

  abort(): void {
    if (this.#state === "open") this.#drop();
  }

  #drop(): void {
    this.#state = "ended";
    this.#takePieces();
    const spool = this.#spool;
    this.#spool = undefined;
    const body = this.#body;
    this.#body = undefined;
    if (spool === undefined) return;
    void spool.abort().then(() => {
      body?.drop();
      this.#options.dropSpool(this.id);
    });
  }
}
