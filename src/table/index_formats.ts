import type { ByteSink } from "./page_sink.ts";
import { BtreeFile } from "./btree_file.ts";
import { writeBtree } from "./btree_writer.ts";
import { CdbFile } from "./cdb_file.ts";
import { writeCdb } from "./cdb_writer.ts";
import { LmdbFile } from "./lmdb_file.ts";
import { writeLmdb } from "./lmdb_writer.ts";
import { HashFile } from "./hash_file.ts";
import { writeHash, type WriteOptions } from "./hash_writer.ts";
import type { RecordFile } from "./record_file.ts";
import type { RecordSet } from "./record_set.ts";

/** A type of index file: how it is named, read and written. */
export interface IndexFormat {
  readonly type: string;
  /** What follows the table's name. */
  readonly suffix: string;
  readonly open: (path: string) => RecordFile;
  readonly write: (records: RecordSet, sink: ByteSink, options: WriteOptions) => void;
  /** Whether keys and values end with a NUL when postmap is not told. */
  readonly terminates: boolean;
  /** How messages call the table of that name. */
  readonly title: (name: string) => string;
  /** A new table takes over mode and owner of the one it replaces. */
  readonly keepsFile: boolean;
  /** Postfix's postmap rewrites such files in place under flock(2). */
  readonly rewrittenInPlace: boolean;
  /** Can be listed (postmap -s). */
  readonly lists: boolean;
  /** Why it cannot be opened, in Postfix's words. */
  readonly openProblem: (path: string, why: string) => string;
}

const database = (path: string, why: string) => `open database ${path}: ${why}`;

/** The index formats, by type. */
export const INDEX_FORMATS: Readonly<Record<string, IndexFormat>> = {
  hash: {
    type: "hash",
    suffix: ".db",
    open: (path) => new HashFile(path),
    write: writeHash,
    terminates: true,
    title: (name) => `${name}.db`,
    keepsFile: true,
    rewrittenInPlace: true,
    lists: true,
    openProblem: database,
  },
  btree: {
    type: "btree",
    suffix: ".db",
    open: (path) => new BtreeFile(path),
    write: writeBtree,
    terminates: true,
    title: (name) => `${name}.db`,
    keepsFile: true,
    rewrittenInPlace: true,
    lists: true,
    openProblem: database,
  },
  cdb: {
    type: "cdb",
    suffix: ".cdb",
    open: (path) => new CdbFile(path),
    write: writeCdb,
    terminates: false,
    title: (name) => name,
    keepsFile: false,
    rewrittenInPlace: false,
    lists: false,
    openProblem: (path, why) =>
      why === "Protocol error"
        ? `dict_cdbq_open: unable to init ${path}: Protocol error`
        : database(path, why),
  },
  lmdb: {
    type: "lmdb",
    suffix: ".lmdb",
    open: (path) => new LmdbFile(path),
    write: writeLmdb,
    terminates: true,
    title: (name) => `lmdb:${name}`,
    keepsFile: true,
    rewrittenInPlace: false,
    lists: true,
    openProblem: database,
  },
};
