import { queueFault } from "../fault.ts";
import type { Appends } from "../log/appends.ts";
import type { QueueId } from "../envelope.ts";
import { NO_INPUT } from "../log/gathering.ts";
import { type Entry, GroupCommit } from "../log/group_commit.ts";
import { type Location, QUEUE } from "../index/message_index.ts";
import { type DecodedRecord, FLAG, headLength, RECORD } from "../log/record.ts";
import { listShards, Shard } from "./shard.ts";
import { readChunks, SpoolWriter } from "../log/spool.ts";
import type { StoreWorld } from "./store_world.ts";
import { freshStates, parseStates, printInheritance, printStates } from "../log/states.ts";
import { parseQueueId } from "../queue_id.ts";
import { QueueFault } from "../store.ts";
import { parseEnvelope, storedSites } from "../log/stored.ts";

/** What adoption needs of the store that takes the messages over. */
export interface Adopter {
  readonly shard: Shard;
  readonly appends: Appends;
  readonly kick: () => void;
  readonly newId: () => QueueId;
  /** Bytes taken over at a time. */
  readonly step: number;
  readonly syncSpool: () => Promise<void>;
  /** Whether the store is about to close. */
  readonly stopped: () => boolean;
  /** Messages came in. */
  readonly announce: () => void;
  /** What was taken from shards whose adoption failed: it is not taken again, though it may have left since. */
  readonly taken: Map<string, Set<QueueId>>;
}

/**
 * Takes over every shard of the queue directory that no process owns; answers how many messages came in. A shard that cannot
 * be taken over does not keep the others from it: its fault comes at the end.
 */
export async function adoptOrphans(world: StoreWorld, adopter: Adopter): Promise<number> {
  let count = 0;
  let fault: unknown;
  for (const name of listShards(world.disk, world.directory)) {
    if (name === adopter.shard.name || adopter.stopped()) continue;
    try {
      count += await adoptNamed(name, world, adopter);
    } catch (error) {
      fault ??= error;
    }
  }
  if (fault !== undefined) throw fault;
  return count;
}

async function adoptNamed(name: string, world: StoreWorld, adopter: Adopter): Promise<number> {
  const orphan = await Shard.open({ ...world, name, mode: "write" }, adopter.stopped);
  if (orphan === undefined) return 0;
  try {
    // What is ours already leaves the other shard: that it is ours must not be hearsay.
    if (orphan.index.count > 0) await adopter.shard.confirm();
    const messages = await adoptShard(orphan, adopter);
    if (messages > 0) world.report({ is: "adopted", shard: name, messages });
    adopter.taken.delete(name);
    return messages;
  } catch (error) {
    await writeDown(orphan, world);
    throw error;
  } finally {
    orphan.close();
    adopter.announce();
  }
}

/** Says in the log of a shard whose adoption failed what has left it, if that can be written: the next one will not take it again. */
async function writeDown(orphan: Shard, { now, after, limits }: StoreWorld): Promise<void> {
  const commits = new GroupCommit({
    log: orphan.log,
    sources: [orphan.outcomes],
    now,
    input: NO_INPUT,
    gatherTime: 0,
    report: () => {},
    troubled: () => {},
    faultPause: limits.faultPause,
    after,
    committed: () => {},
  });
  await commits.flush().catch(() => {}); // then only this process knows
  await commits.close();
}

/**
 * Takes over all messages of a shard whose owner is gone: durable here before they go there, oldest segment first. A segment
 * that was begun is brought to its end: its first messages would be in two shards.
 */
async function adoptShard(orphan: Shard, adopter: Adopter): Promise<number> {
  let count = 0;
  const spooled: QueueId[] = [];
  const taken = adopter.taken.get(orphan.name) ?? new Set();
  adopter.taken.set(orphan.name, taken);
  for (const segment of [...orphan.log.segments]) {
    if (adopter.stopped()) throw new QueueFault(`adopt ${orphan.name}`, "the queue is being closed");
    const slots = orphan.index.slotsIn(segment.number);
    for (let at = 0; at < slots.length;) {
      const from = at;
      for (let bytes = 0; at < slots.length && bytes < adopter.step; at++) {
        bytes += orphan.index.length[slots[at]!]!;
      }
      const some = slots.slice(from, at);
      count += await adoptSome(orphan, some, adopter);
      for (const slot of some) leave(orphan, slot, { spooled, taken });
    }
    await orphan.log.reclaim();
  }
  // Last of all: a copy of a message that compaction left in a later segment may have come back until here.
  await Promise.all(spooled.map((id) => orphan.dropSpool(id)));
  const { custody, index } = adopter.shard;
  custody.adopt(orphan.custody, taken, (id) => index.find(id) >= 0 || custody.has(id) ? adopter.newId() : id);
  return count;
}

async function adoptSome(orphan: Shard, slots: readonly number[], adopter: Adopter): Promise<number> {
  const taken: Adoption[] = [];
  for (const slot of slots) {
    const message = await readOrphan(orphan, slot, adopter);
    if (message !== undefined) taken.push(message);
  }
  if (taken.some(({ spooled }) => spooled)) await adopter.syncSpool();
  await storeAll(taken, adopter);
  return taken.length;
}

/** A message on its way from one shard to another. */
interface Adoption {
  readonly id: QueueId;
  readonly record: DecodedRecord;
  /** Meta of its state record, when it has one. */
  readonly states: string | undefined;
  readonly flags: number;
  readonly queue: number;
  readonly due: number;
  readonly spooled: boolean;
}

/** Reads a message of the orphan; undefined when it is damaged, or ours already from an adoption that was cut short. */
async function readOrphan(orphan: Shard, slot: number, adopter: Adopter): Promise<Adoption | undefined> {
  const { index } = orphan;
  const from = index.idOf(slot);
  if (adopter.taken.get(orphan.name)?.has(from)) return undefined;
  const known = adopter.shard.index.find(from);
  if (known >= 0 && isSame(orphan, slot, adopter.shard, known)) return undefined;
  const record = await orphan.readMessage(slot);
  if (record === undefined) {
    await orphan.quarantine(slot, "its checksum is wrong");
    return undefined;
  }
  const id = known >= 0 || adopter.shard.isLeaving(from) ? adopter.newId() : from;
  const spooled = (index.flags[slot]! & FLAG.spooled) !== 0;
  if (spooled) await takeSpool(orphan, slot, { own: adopter.shard, id });
  return {
    id,
    record: id === from ? record : renamed(record, id),
    states: await readOrphanStates(orphan, slot, record),
    flags: index.flags[slot]!,
    queue: index.queue[slot]!,
    due: index.due[slot]!,
    spooled,
  };
}

/** Two messages with one id are one message when they came at the same time with the same size. */
function isSame(orphan: Shard, slot: number, own: Shard, known: number): boolean {
  return orphan.index.arrival[slot] === own.index.arrival[known] &&
    orphan.index.size[slot] === own.index.size[known];
}

function renamed(record: DecodedRecord, id: QueueId): DecodedRecord {
  const envelope = parseEnvelope(record.meta);
  return { ...record, meta: Buffer.from(JSON.stringify({ ...envelope, id })) };
}

async function readOrphanStates(
  orphan: Shard,
  slot: number,
  record: DecodedRecord,
): Promise<string | undefined> {
  const meta = await orphan.readState(slot);
  if (!orphan.outcomes.differs(slot)) return meta?.toString();
  const envelope = parseEnvelope(record.meta);
  const states = meta === undefined ? freshStates(envelope.recipients.length) : parseStates(meta);
  return printStates(orphan.outcomes.view(slot, states));
}

/** Gives a spool file a second name in our shard, or copies it where the file system has no links. */
async function takeSpool(
  orphan: Shard,
  slot: number,
  { own, id }: { readonly own: Shard; readonly id: QueueId },
): Promise<void> {
  const from = `${orphan.paths.spool}/${orphan.index.idOf(slot)}`;
  const to = `${own.paths.spool}/${id}`;
  if (own.disk.exists(to)) own.disk.unlink(to);
  try {
    own.disk.link(from, to);
  } catch {
    const writer = new SpoolWriter(own.disk, to);
    const file = { path: from, size: orphan.index.spoolSize(slot), checksum: undefined };
    for await (const chunk of readChunks(own.disk, file)) await writer.write(chunk);
    await writer.finish();
  }
}

async function storeAll(taken: readonly Adoption[], adopter: Adopter): Promise<void> {
  const stored = taken.map((message) =>
    new Promise<void>((resolve, reject) => {
      adopter.appends.add(entryOf(message, adopter.shard, { resolve, reject }));
    })
  );
  if (stored.length > 0) adopter.kick();
  for (const outcome of await Promise.allSettled(stored)) {
    if (outcome.status === "rejected") throw queueFault("adopt messages", outcome.reason);
  }
}

function entryOf(
  message: Adoption,
  own: Shard,
  { resolve, reject }: { readonly resolve: () => void; readonly reject: (fault: QueueFault) => void },
): Entry {
  const { id, record: { head, meta, content }, flags, due } = message;
  const states = message.states === undefined ? undefined : parseStates(Buffer.from(message.states));
  const inherits = states !== undefined || (flags & ~FLAG.spooled) !== 0;
  return {
    record: {
      type: RECORD.message,
      flags: (flags & (FLAG.hold | FLAG.spooled)) | (inherits ? FLAG.inherits : 0),
      time: head.time,
      size: head.size,
      key: id,
      meta: inherits ? printInheritance(meta, { flags: flags & ~FLAG.spooled, due, states }) : meta,
      content,
    },
    placed: (at) => {
      enter(message, own, at);
      resolve();
    },
    failed: reject,
    follow: stateOf(message, own),
  };
}

/** The state record that goes right behind the message, in the same batch, so that later ones need not be read with it. */
function stateOf({ id, states, flags, due }: Adoption, own: Shard): Entry | undefined {
  const marks = flags & ~FLAG.spooled;
  if (states === undefined && marks === 0) return undefined;
  const whole = states !== undefined;
  return {
    record: {
      type: RECORD.state,
      flags: marks | (whole ? 0 : FLAG.delta),
      time: due,
      key: id,
      meta: states ?? "",
    },
    placed: (at) => {
      const slot = own.index.find(id);
      if (!whole || slot < 0) return;
      own.index.stateSegment[slot] = at.segment;
      own.index.stateOffset[slot] = at.offset;
      own.index.stateLength[slot] = at.length;
      own.log.claim(at);
    },
    failed: () => {},
  };
}

function enter({ id, record, flags, queue, due, spooled }: Adoption, own: Shard, at: Location): void {
  const { time: arrival, size } = record.head;
  const slot = own.index.add({
    ...at,
    id: parseQueueId(id)!,
    arrival,
    size,
    spooled,
    head: headLength(record.head),
    sites: () => storedSites(record.meta),
  });
  own.log.claim(at);
  own.index.flags[slot] = flags;
  own.index.move(slot, queue, due);
}

/** Takes a message that is ours now out of the orphan; its spool file goes after the segments that refer to it. */
function leave(
  orphan: Shard,
  slot: number,
  { spooled, taken }: { readonly spooled: QueueId[]; readonly taken: Set<QueueId> },
): void {
  const { index } = orphan;
  if (index.queue[slot] === QUEUE.free) return;
  const id = index.idOf(slot);
  taken.add(id);
  if ((index.flags[slot]! & FLAG.spooled) !== 0) spooled.push(id);
  orphan.remove(slot);
}
