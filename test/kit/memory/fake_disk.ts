import type { Disk, DiskFile, DiskLock } from "../../../src/platform/file/disk.ts";

const SECTOR = 512;

type Change =
  | { readonly is: "write"; readonly at: number; readonly bytes: Buffer }
  | { readonly is: "size"; readonly size: number };

interface Pending {
  readonly change: Change;
  /** A sync of it failed: nobody knows whether it reached the disk. */
  lost: boolean;
}

let inodes = 0;

interface Inode {
  readonly number: number;
  current: Buffer;
  durable: Buffer;
  pending: Pending[];
}

/** A change of one directory, as a whole done or not. */
interface EntryChange {
  readonly directory: string;
  readonly set: readonly (readonly [path: string, inode: Inode | undefined])[];
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function apply(bytes: Buffer, change: Change): Buffer {
  const size = change.is === "size" ? change.size : Math.max(bytes.length, change.at + change.bytes.length);
  const out = Buffer.alloc(size);
  bytes.copy(out, 0, 0, Math.min(bytes.length, size));
  if (change.is === "write") change.bytes.copy(out, change.at);
  return out;
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made up`), { code });
}

/**
 * A disk in memory that keeps apart what is synced and what is not. `crash` answers with the disk as a power failure may leave
 * it: unsynced writes whole, torn by sectors or gone, in any order; directory entries likewise.
 */
export class FakeDisk implements Disk {
  /** Calls so far. */
  calls = 0;
  /** Asked before each call: answers with an error code to fail it, `crash` to cut the power first. */
  onCall: (
    call: { readonly number: number; readonly name: string; readonly path: string },
  ) => string | undefined = () => undefined;
  /** Called once when the power is cut. */
  onCrash: () => void = () => {};
  free = Number.MAX_SAFE_INTEGER;
  /** So many waits more each read takes. */
  readTurns = 0;
  readonly #random: () => number;
  readonly #directories = new Set<string>();
  readonly #entries = new Map<string, Inode>();
  readonly #durableEntries = new Map<string, Inode>();
  readonly #locks = new Set<string>();
  #changes: EntryChange[] = [];
  #dead = false;

  /** `random` answers numbers from 0 up to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** The disk after a power failure; this one answers nobody any more. */
  crash(): FakeDisk {
    this.#dead = true;
    const after = new FakeDisk(this.#random);
    for (const directory of this.#directories) after.#directories.add(directory);
    const entries = new Map(this.#durableEntries);
    for (const { set } of this.#changes) {
      if (this.#random() < 0.5) continue;
      for (const [path, inode] of set) inode === undefined ? entries.delete(path) : entries.set(path, inode);
    }
    const copies = new Map<Inode, Inode>();
    for (const [path, inode] of entries) {
      const copy = copies.get(inode) ?? this.#survivor(inode);
      copies.set(inode, copy);
      after.#entries.set(path, copy);
      after.#durableEntries.set(path, copy);
    }
    return after;
  }

  /** The disk after the process was killed: all that was written is still there to be read, and no more durable than before. */
  kill(): FakeDisk {
    this.#dead = true;
    return this.look();
  }

  /** The same disk for somebody who only reads, or removes what nobody else is to miss. */
  look(): FakeDisk {
    const after = new FakeDisk(this.#random);
    for (const directory of this.#directories) after.#directories.add(directory);
    for (const [path, inode] of this.#entries) after.#entries.set(path, inode);
    for (const [path, inode] of this.#durableEntries) after.#durableEntries.set(path, inode);
    after.#changes = [...this.#changes];
    return after;
  }

  /** Damages a file behind everybody's back: it holds what `change` makes of it, durably; undefined removes it. */
  damage(path: string, change: (bytes: Buffer) => Buffer | undefined): void {
    const inode = this.#inode(path);
    const bytes = change(Buffer.from(inode.current));
    if (bytes === undefined) {
      this.#entries.delete(path);
      this.#durableEntries.delete(path);
    } else [inode.current, inode.durable, inode.pending] = [bytes, bytes, []];
  }

  /** What a file holds. */
  bytesOf(path: string): Buffer {
    return Buffer.from(this.#inode(path).current);
  }

  /** What a power failure leaves of a file. */
  #survivor(inode: Inode): Inode {
    const luck = this.#random();
    let bytes = inode.durable;
    for (const { change } of inode.pending) {
      if (luck < 0.2 || (luck < 0.8 && this.#random() < 0.3)) continue;
      bytes = luck > 0.8 || change.is === "size" ? apply(bytes, change) : this.#torn(bytes, change);
    }
    return { number: inode.number, current: bytes, durable: bytes, pending: [] };
  }

  #torn(bytes: Buffer, change: Change & { is: "write" }): Buffer {
    let out = bytes;
    for (let from = change.at; from < change.at + change.bytes.length;) {
      const to = Math.min((Math.floor(from / SECTOR) + 1) * SECTOR, change.at + change.bytes.length);
      const piece = change.bytes.subarray(from - change.at, to - change.at);
      if (this.#random() < 0.7) out = apply(out, { is: "write", at: from, bytes: piece });
      from = to;
    }
    return out;
  }

  #call(name: string, path: string): void {
    if (this.#dead) throw new Error("the power is cut");
    const code = this.onCall({ number: ++this.calls, name, path });
    if (code === "crash") {
      this.#dead = true;
      this.onCrash();
      throw new Error("the power is cut");
    }
    if (code !== undefined) throw systemError(code);
  }

  /** Lets time pass; after a power failure for ever. */
  async #wait(): Promise<void> {
    for (let turns = Math.floor(this.#random() * 3); turns >= 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.#dead) await new Promise(() => {});
  }

  #inode(path: string): Inode {
    const inode = this.#entries.get(path);
    if (inode === undefined) throw systemError("ENOENT");
    return inode;
  }

  #change(directory: string, set: EntryChange["set"]): void {
    for (const [path, inode] of set) {
      if (inode === undefined) this.#entries.delete(path);
      else this.#entries.set(path, inode);
    }
    this.#changes.push({ directory, set });
  }

  create(path: string): DiskFile {
    this.#call("create", path);
    if (this.#entries.has(path)) throw systemError("EEXIST");
    if (!this.#directories.has(parent(path))) throw systemError("ENOENT");
    const inode: Inode = {
      number: ++inodes,
      current: Buffer.alloc(0),
      durable: Buffer.alloc(0),
      pending: [],
    };
    this.#change(parent(path), [[path, inode]]);
    return this.#handle(inode, path);
  }

  open(path: string): DiskFile {
    this.#call("open", path);
    return this.#handle(this.#inode(path), path);
  }

  #handle(inode: Inode, path: string): DiskFile {
    let closed = false;
    const call = (name: string) => {
      if (closed) throw systemError("EBADF");
      this.#call(name, path);
    };
    const change = (change: Change) => {
      inode.current = apply(inode.current, change);
      inode.pending.push({ change, lost: false });
    };
    const write = (buffers: readonly Uint8Array[], at: number) => {
      const bytes = Buffer.concat(buffers);
      if (this.#dead) throw new Error("the power is cut");
      try {
        call("write");
      } catch (error) {
        const part = Math.floor(this.#random() * bytes.length);
        if (part > 0) change({ is: "write", at, bytes: bytes.subarray(0, part) });
        throw error;
      }
      change({ is: "write", at, bytes });
    };
    const sync = (covered: readonly Pending[]) => {
      try {
        call("sync");
      } catch (error) {
        if (!this.#dead) { for (const pending of covered) pending.lost = true; }
        throw error;
      }
      for (const { change, lost } of covered) {
        if (!lost || this.#random() < 0.5) inode.durable = apply(inode.durable, change);
      }
      inode.pending = inode.pending.filter((pending) => !covered.includes(pending));
    };
    return {
      write,
      writeLater: async (buffers, at) => {
        await this.#wait();
        write(buffers, at);
      },
      read: async (into, at) => {
        for (let turns = this.readTurns; turns >= 0; turns--) await this.#wait();
        call("read");
        return inode.current.copy(into, 0, at, Math.min(at + into.length, inode.current.length));
      },
      sync: async () => {
        const covered = [...inode.pending];
        await this.#wait();
        try {
          sync(covered);
        } catch (error) {
          if (this.#dead) await new Promise(() => {});
          throw error;
        }
      },
      syncNow: () => sync([...inode.pending]),
      preallocate: (at, length) => {
        call("preallocate");
        if (inode.current.length < at + length) change({ is: "size", size: at + length });
        return true;
      },
      truncate: (size) => {
        call("truncate");
        change({ is: "size", size });
      },
      size: () => inode.current.length,
      identity: () => String(inode.number),
      close: () => void (closed = true),
    };
  }

  async syncDirectory(path: string): Promise<void> {
    const covered = this.#changes.filter(({ directory }) => directory === path);
    await this.#wait();
    try {
      this.#call("syncDirectory", path);
    } catch (error) {
      if (this.#dead) await new Promise(() => {});
      throw error;
    }
    for (const { set } of covered) {
      for (const [name, inode] of set) {
        if (inode === undefined) this.#durableEntries.delete(name);
        else this.#durableEntries.set(name, inode);
      }
    }
    this.#changes = this.#changes.filter((change) => !covered.includes(change));
  }

  makeDirectory(path: string): void {
    for (let at = path; at !== ""; at = parent(at)) this.#directories.add(at);
  }

  list(path: string): string[] {
    this.#call("list", path);
    const prefix = `${path}/`;
    const below = [...this.#entries.keys(), ...this.#directories].filter((name) => name.startsWith(prefix));
    return [...new Set(below.map((name) => name.slice(prefix.length).split("/")[0]!))].sort();
  }

  exists(path: string): boolean {
    return this.#entries.has(path) || this.#directories.has(path);
  }

  identity(path: string): string | undefined {
    const inode = this.#entries.get(path);
    if (inode !== undefined) return String(inode.number);
    return this.#directories.has(path) ? path : undefined;
  }

  unlink(path: string): void {
    this.#call("unlink", path);
    this.#inode(path);
    this.#change(parent(path), [[path, undefined]]);
  }

  async unlinkLater(path: string): Promise<void> {
    await Promise.resolve();
    this.unlink(path);
  }

  rename(from: string, to: string): void {
    this.#call("rename", from);
    this.#change(parent(to), [[to, this.#inode(from)], [from, undefined]]);
  }

  link(from: string, to: string): void {
    this.#call("link", from);
    if (this.#entries.has(to)) throw systemError("EEXIST");
    this.#change(parent(to), [[to, this.#inode(from)]]);
  }

  freeBytes(): number {
    return this.free;
  }

  lock(path: string): DiskLock | undefined {
    if (this.#locks.has(path)) return undefined;
    this.#locks.add(path);
    return { release: () => void this.#locks.delete(path) };
  }
}
