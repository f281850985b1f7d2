import { isPromise, type MaybeAsync } from "../../../base/maybe_async.ts";
import type { Content, LentContent } from "../../../queue/store.ts";
import { DotStuffer, END_OF_DATA } from "../../../smtp/dot_stuffing.ts";
import type { Failure } from "../failure.ts";
import type { Session } from "../client_session.ts";

/** Changes content on its way out, piece by piece. */
export interface ContentFilter {
  push(chunk: Buffer): MaybeAsync<readonly Buffer[]>;
  end(): MaybeAsync<readonly Buffer[]>;
  /** Why the content cannot be sent like this; then what has gone out must not be ended. */
  readonly failure?: Failure;
}

/** How a message's content goes out. */
export interface ContentPlan {
  readonly content: Content;
  /** The content in memory, on loan until the end of data is answered. */
  readonly lent?: LentContent | undefined;
  /** Header lines put on top: Return-Path and the like. */
  readonly prefix: Buffer | undefined;
  /** Applied in this order. */
  readonly filters: readonly ContentFilter[];
  /** Lines longer than this are cut; 0 = never, or known not to occur. */
  readonly lineLimit: number;
  /** Follows the end of data in the same write: `QUIT`, or nothing. */
  readonly trailer: string;
  /** Called just before the end of data goes out. */
  readonly handingOver?: (() => void) | undefined;
}

/** What sending came to. */
export interface ContentSent {
  readonly failure?: Failure;
  /** Lines have been cut. */
  readonly folded: boolean;
}

const SENT: ContentSent = { folded: false };
/** Content up to this size goes out in one write. */
const ONE_WRITE = 131_072;
/** Larger content goes in pieces, so that a slow peer shows that bytes move. */
const PIECE = 65_536;

/** Sends the content and the end of data. Whether the connection lived through it is for the caller to look at. */
export function sendContent(session: Session, plan: ContentPlan): MaybeAsync<ContentSent> {
  const { bytes } = plan.content;
  const simple = plan.filters.length === 0 && session.endOfDataDelay === 0;
  if (bytes === undefined || bytes.length > ONE_WRITE || !simple) {
    return sendInPieces(session, plan);
  }
  const stuffer = new DotStuffer(plan.lineLimit);
  if (plan.prefix !== undefined) { for (const piece of stuffer.push(plan.prefix)) session.write(piece); }
  for (const piece of stuffer.push(asBuffer(bytes))) session.write(piece);
  for (const piece of stuffer.end()) session.write(piece);
  const written = endOfData(session, plan);
  const sent = stuffer.folded ? { folded: true } : SENT;
  return isPromise(written) ? written.then(() => sent) : sent;
}

/** After this the message may be the server's; a session that is over sends nothing. */
function endOfData(session: Session, { handingOver, trailer }: ContentPlan): MaybeAsync<void> {
  if (session.ended) return;
  handingOver?.();
  session.endOfDataSent = true;
  return session.write(END_OF_DATA + trailer);
}

async function sendInPieces(session: Session, plan: ContentPlan): Promise<ContentSent> {
  const stuffer = new DotStuffer(plan.lineLimit);
  const out = (pieces: readonly Buffer[]): MaybeAsync<void> => {
    let written: MaybeAsync<void> = undefined;
    for (const piece of pieces) written = session.write(piece);
    return written;
  };
  if (plan.prefix !== undefined) await out(stuffer.push(plan.prefix));
  for await (const chunk of plan.lent?.pieces ?? filtered(plan)) {
    if (session.ended) return { folded: stuffer.folded };
    const written = out(stuffer.push(asBuffer(chunk)));
    if (isPromise(written)) await written;
  }
  const failure = plan.filters.find((filter) => filter.failure !== undefined)?.failure;
  if (failure !== undefined) return { failure, folded: stuffer.folded };
  await out(stuffer.end());
  if (session.endOfDataDelay > 0) {
    await new Promise<void>((resolve) => setTimeout(resolve, session.endOfDataDelay));
  }
  await endOfData(session, plan);
  return { folded: stuffer.folded };
}

/** The content after all filters; ends early when one of them gives up. */
async function* filtered({ content, filters }: ContentPlan): AsyncGenerator<Buffer> {
  const broken = () => filters.some((filter) => filter.failure !== undefined);
  for await (const chunk of chunksOf(content)) {
    for (const piece of await through(filters, 0, [asBuffer(chunk)])) yield piece;
    if (broken()) return;
  }
  for (let i = 0; i < filters.length; i++) {
    for (const piece of await through(filters, i + 1, await filters[i]!.end())) yield piece;
    if (broken()) return;
  }
}

async function through(
  filters: readonly ContentFilter[],
  first: number,
  pieces: readonly Buffer[],
): Promise<readonly Buffer[]> {
  let current = pieces;
  for (const filter of filters.slice(first)) {
    const next: Buffer[] = [];
    for (const piece of current) next.push(...await filter.push(piece));
    current = next;
  }
  return current;
}

async function* chunksOf(content: Content): AsyncGenerator<Uint8Array> {
  const { bytes } = content;
  if (bytes === undefined) return yield* content.chunks();
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
