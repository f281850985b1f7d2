/** A file whose writes matter. All positions are absolute; a method throws or rejects with the system's error (`code` is ENOSPC, EIO, ...). */
export interface DiskFile {
  /** Writes all bytes of all buffers at `position`, looping over short writes. */
  write(buffers: readonly Uint8Array[], position: number): void;
  /** The same off the event loop, for big pieces. */
  writeLater(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Reads up to `into.length` bytes off the event loop; answers how many, less only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** fdatasync: resolves when content and size are on stable storage. */
  sync(): Promise<void>;
  /** The same, waited for on the spot: nothing else is done meanwhile. */
  syncNow(): void;
  /**
   * Reserves space, so that the syncs of later writes need no metadata; the reserved bytes read as zero. False where the file
   * system cannot; throws when there is no space.
   */
  preallocate(position: number, length: number): boolean;
  truncate(size: number): void;
  size(): number;
  /** Which file this is: the same text for as long as it exists, and for no other file of the system. */
  identity(): string;
  close(): void;
}

/** A lock on a file; it dies with the process, however that ends. */
export interface DiskLock {
  release(): void;
}

/** The operations by which the queue keeps its promise. Tests put a disk in its place that fails, tears and forgets. */
export interface Disk {
  /** Makes a new file, refusing one that exists. It is not sure to survive before `syncDirectory`. */
  create(path: string): DiskFile;
  open(path: string, mode: "read" | "write"): DiskFile;
  /** fsync of a directory: entries made, renamed and removed so far survive. */
  syncDirectory(path: string): Promise<void>;
  /** Makes a directory and its parents, each entered durably. */
  makeDirectory(path: string): void;
  /** Names in a directory, sorted; empty when there is no such directory. */
  list(path: string): string[];
  exists(path: string): boolean;
  /** Which file or directory a path leads to now; undefined when it leads nowhere. */
  identity(path: string): string | undefined;
  unlink(path: string): void;
  /** The same off the event loop: to give the blocks of a large file back takes a millisecond. */
  unlinkLater(path: string): Promise<void>;
  rename(from: string, to: string): void;
  link(from: string, to: string): void;
  /** Bytes free for an unprivileged writer. */
  freeBytes(path: string): number;
  /** Takes an exclusive lock without waiting; undefined when another holds it. */
  lock(path: string): DiskLock | undefined;
}
