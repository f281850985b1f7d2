/** What hash and btree files of Berkeley DB share: numbers of the format, all offsets in bytes. */
export const META = {
  pageNumber: 8,
  magic: 12,
  version: 16,
  pageSize: 20,
  encryption: 24,
  type: 25,
  metaFlags: 26,
  free: 28,
  lastPage: 32,
  partitions: 36,
  flags: 48,
  uid: 52,
  // hash
  maxBucket: 72,
  highMask: 76,
  lowMask: 80,
  elements: 88,
  charKey: 92,
  spares: 96,
  // btree
  minKey: 76,
  padding: 84,
  root: 88,
} as const;

/** A page's header. */
export const PAGE = {
  number: 8,
  previous: 12,
  next: 16,
  entries: 20,
  offset: 22,
  level: 24,
  type: 25,
  size: 26,
} as const;

/** Page types. */
export const TYPE = {
  free: 0,
  hashUnsorted: 2,
  btreeInternal: 3,
  btreeLeaf: 5,
  overflow: 7,
  hashMeta: 8,
  btreeMeta: 9,
  hash: 13,
} as const;

/** Item types. */
export const ITEM = { data: 1, duplicate: 2, offPage: 3, offDuplicate: 4 } as const;

/** First number of a hash file. */
export const HASH_MAGIC = 0x061561;
/** First number of a btree file. */
export const BTREE_MAGIC = 0x053162;

/** The default hash function's fingerprint; a file with another one cannot be searched. */
export const CHAR_KEY = 0x5e688dd1;

/** The hash of what was hashed to `hash` and one more byte. */
export function hashOn(hash: number, byte: number): number {
  return Math.imul(hash, 16777619) ^ byte;
}

/** The hash of `bytes[start..end)`, FNV-1 order with start 0; signed, as bit operations leave it. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let h = 0;
  for (let at = start; at < end; at++) h = hashOn(h, bytes[at]!);
  return h;
}

/** Index into `spares` for a bucket: ceil(log2(bucket + 1)). */
export function sparesIndex(bucket: number): number {
  return 32 - Math.clz32(bucket);
}
