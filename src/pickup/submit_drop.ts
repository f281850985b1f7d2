import { quoteAddress } from "../address/address.ts";
import { isPromise } from "../base/maybe_async.ts";
import type { IncomingMessage, Submission } from "../cleanup/cleanup.ts";
import { type HandedFile, handedState, openHanded } from "../platform/file/handed_file.ts";
import { errorCode, systemErrorText } from "../platform/system_error.ts";
import type { QueueId } from "../queue/envelope.ts";
import type { Content } from "../queue/store.ts";
import { DataDecoder } from "../smtp/data_decoder.ts";
import { type Reply, replyText } from "../smtp/reply.ts";
import { dropFolder } from "./drop/drop_folder.ts";
import { DropDefect, DropReader } from "./drop/drop_reader.ts";
import type { PickupDeps } from "./pickup_deps.ts";
import { returnRefused } from "./return_refused.ts";
import { envelopeOf, type ReadDrop, submissionOf } from "./submission_of.ts";

/** What came of a file in custody. Only what is `done` has left it. */
export type Fate =
  | { readonly is: "done" }
  /** No message can be made of it, now or later. */
  | { readonly is: "bad"; readonly uid: number | undefined; readonly why: string }
  | { readonly is: "later"; readonly why: string };

const DONE: Fate = { is: "done" };
const later = (why: string): Fate => ({ is: "later", why });

/** Makes a message of the file in custody under that id. */
export async function submitDrop(id: QueueId, deps: PickupDeps): Promise<Fate> {
  const { custody } = deps.store;
  let file: HandedFile;
  try {
    file = openHanded(custody.path(id));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return DONE;
    // A link, or a file that its owner keeps from us: EAGAIN by a lease (fcntl(2)).
    const isTheirs = ["ELOOP", "EACCES", "ENXIO", "EAGAIN"].includes(errorCode(error));
    const why = systemErrorText(error);
    return isTheirs ? { is: "bad", uid: handedState(custody.path(id))?.uid, why } : later(why);
  }
  try {
    const fate = await submitFile(id, file, deps);
    if (fate.is === "done") custody.drop(id);
    return fate;
  } catch (error) {
    if (errorCode(error) === "") throw error;
    return later(systemErrorText(error));
  } finally {
    file.close();
  }
}

/** What is wrong with the file itself, whatever is in it. */
function flawOf({ state }: HandedFile, { settings }: PickupDeps): string | undefined {
  if (!state.isPlain) return "it is no plain file";
  if (state.links !== 1) return `it has ${state.links} hard links`;
  if (!state.isWhole) return "it is not finished";
  const group = handedState(dropFolder(settings.queue_directory))?.gid;
  return group === undefined || state.gid === group ? undefined : `its group is ${state.gid}, not ${group}`;
}

async function submitFile(id: QueueId, file: HandedFile, deps: PickupDeps): Promise<Fate> {
  const { uid } = file.state;
  const bad = (why: string): Fate => ({ is: "bad", uid, why });
  const flaw = flawOf(file, deps);
  if (flaw !== undefined) return bad(flaw);
  const reader = new DropReader({ size: file.state.size, read: (into, at) => file.read(into, at) });
  const summary = await reader.summary();
  if (summary instanceof DropDefect) return bad(summary.why);
  if (summary.recipients.length === 0) return bad("it has no recipients");
  const login = deps.loginName(uid);
  const drop: ReadDrop = {
    id,
    state: file.state,
    summary,
    sender: summary.envelope.sender ?? login ?? `${uid}`,
  };
  const refusal = await deps.submitRefusal(login ?? "unknown") ??
    await deps.senderRefusal(login ?? `uid:${uid}`, drop.sender);
  if (refusal?.is === "forbidden") return bad(refusal.why);
  if (refusal !== undefined) return later(refusal.why);
  deps.log.emit("pickup", "pickedUp", { id, uid, from: quoteAddress(drop.sender) });
  return await submitMessage(drop, reader, deps);
}

async function submitMessage(drop: ReadDrop, reader: DropReader, deps: PickupDeps): Promise<Fate> {
  const secured = deps.store.custody.secured();
  secured.catch(() => {}); // it is waited for below, unless something else comes first
  const submission = submissionOf(drop, deps);
  const message = deps.cleanup.begin(submission);
  try {
    const defect = await copyContent(drop, reader, message, deps);
    if (defect !== undefined) {
      message.abort();
      return { is: "bad", uid: drop.state.uid, why: defect.why };
    }
    await secured;
    const committed = await message.commit();
    if (committed.is === "queued") return DONE;
    const { reply, refused } = committed;
    if (reply.code < 500 || deps.settings.soft_bounce) return later(replyText(reply));
    const subject = refused === undefined
      ? { envelope: envelopeOf(submission), content: contentOf(drop, reader, submission, deps) }
      : { envelope: refused.envelope, content: headAlone(refused.head) };
    return returned(await returnRefused({ ...subject, reply }, deps), reply);
  } catch (error) {
    message.abort();
    throw error;
  }
}

function returned(isTold: boolean, reply: Reply): Fate {
  return isTold ? DONE : later(`its sender cannot be told of: ${replyText(reply)}`);
}

/** The content in wire form. What begins with a blank would go on with our own header: an empty line comes first. */
async function* wireContent(
  { summary }: ReadDrop,
  reader: DropReader,
  { settings }: PickupDeps,
): AsyncGenerator<Buffer, DropDefect | undefined> {
  const decoder = new DataDecoder({ counted: true, keepBareCr: !settings.cleanup_replace_stray_cr_lf });
  const pieces = reader.content(summary);
  for (let isFirst = true;; isFirst = false) {
    const next = await pieces.next();
    if (next.done) {
      const rest = decoder.finish();
      if (rest.length > 0) yield rest;
      return next.value;
    }
    if (isFirst && (next.value[0] === 0x20 || next.value[0] === 0x09)) yield Buffer.from("\r\n");
    const { content } = decoder.push(next.value);
    if (content.length > 0) yield content;
  }
}

/** Hands the content to cleanup, as far as that can take it. */
async function copyContent(
  drop: ReadDrop,
  reader: DropReader,
  message: IncomingMessage,
  deps: PickupDeps,
): Promise<DropDefect | undefined> {
  const { message_size_limit: limit } = deps.settings;
  const content = wireContent(drop, reader, deps);
  for (;;) {
    const next = await content.next();
    if (next.done) return next.value;
    const written = message.write(next.value);
    if (isPromise(written)) await written;
    if (limit > 0 && message.size > limit) return undefined;
  }
}

/** A notice shows no more of what was refused. */
function headAlone(head: Buffer): Content {
  return {
    size: head.length,
    bytes: head,
    async *chunks() {
      yield head;
    },
  };
}

/** The message for a notice about it: what was submitted, under our Received. */
function contentOf(drop: ReadDrop, reader: DropReader, { prepend }: Submission, deps: PickupDeps): Content {
  return {
    size: drop.summary.end.size,
    bytes: undefined,
    async *chunks() {
      yield Buffer.from(prepend.join(""));
      yield* wireContent(drop, reader, deps);
    },
  };
}
