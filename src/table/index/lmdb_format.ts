/** The numbers of LMDB's file format 1 (64-bit, little-endian); offsets in bytes. */
export const LMDB = {
  magic: 0xbeefc0de,
  version: 1,
  header: 16,
  flags: 10,
  lower: 12,
  upper: 14,
  branch: 1,
  leaf: 2,
  overflow: 4,
  meta: 8,
  /** From the start of a meta page. */
  metaMagic: 16,
  metaVersion: 20,
  mapSize: 32,
  freeDatabase: 40,
  mainDatabase: 88,
  lastPage: 136,
  transaction: 144,
  metaEnd: 152,
  /** From the start of a database record. */
  depth: 6,
  branchPages: 8,
  leafPages: 16,
  overflowPages: 24,
  entries: 32,
  root: 40,
  node: 8,
  bigValue: 1,
  /** Longest key, its NUL included. */
  longestKey: 511,
} as const;

/** Values above this size go to overflow pages. */
export function largestNode(pageSize: number): number {
  return (((pageSize - LMDB.header) / 2) & ~1) - 2;
}
