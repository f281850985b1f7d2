import type { ByteSink } from "./page_sink.ts";
import { BtreeFile } from "./btree_file.ts";
import { writeBtree } from "./btree_writer.ts";
import { CdbFile } from "./cdb_file.ts";
import { writeCdb } from "./cdb_writer.ts";
import { LmdbFile } from "./lmdb_file.ts";
import { writeLmdb } from "./lmdb_writer.ts";
import { HashFile } from "./hash_file.ts";
import { writeHash, type WriteOptions } from "./hash_writer.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { type RecordFile, TableFault } from "./record_file.ts";
import type { RecordSet } from "./records/record_set.ts";

/** A type of index file: how it is named, read and written. */
export interface IndexFormat {
  readonly type: string;
  /** What follows the table's name. */
  readonly suffix: string;
  /** `whole`: keys come by the million, and a pause to read a file of some megabytes at once is in nobody's way. */
  readonly open: (path: string, whole?: boolean) => RecordFile;
  readonly write: (records: RecordSet, sink: ByteSink, options: WriteOptions) => void;
  /** Whether keys and values end with a NUL when postmap is not told. */
  readonly terminates: boolean;
  /** How messages about making it call the table of that name. */
  readonly title: (name: string) => string;
  /** Messages about an opened table call it `type:name`, without the suffix. */
  readonly calledByName: boolean;
  /** A new table takes over mode and owner of the one it replaces. */
  readonly keepsFile: boolean;
  /** Postfix's postmap rewrites such files in place under flock(2), and leaves an empty one when it fails at once. */
  readonly rewrittenInPlace: boolean;
  /** Made once and for all: Postfix's tools neither change nor list such a table (postmap -i, -d, -s). */
  readonly constant: boolean;
  /** Opening it for a change makes it when there is none. */
  readonly madeByChange: boolean;
  /** Why it cannot be opened, in Postfix's words; `isOther`: what is there is no such file. */
  readonly openProblem: (path: string, why: string, isOther?: boolean) => string;
}

const database = (path: string, why: string) => `open database ${path}: ${why}`;

const BERKELEY_DB = {
  suffix: ".db",
  terminates: true,
  title: (name: string) => `${name}.db`,
  calledByName: false,
  keepsFile: true,
  rewrittenInPlace: true,
  constant: false,
  madeByChange: false,
  openProblem: database,
} as const;

const HASH: IndexFormat = {
  ...BERKELEY_DB,
  type: "hash",
  open: (path) => new HashFile(path),
  write: writeHash,
};

const BTREE: IndexFormat = {
  ...BERKELEY_DB,
  type: "btree",
  open: (path) => new BtreeFile(path),
  write: writeBtree,
};

const CDB: IndexFormat = {
  type: "cdb",
  suffix: ".cdb",
  open: (path, whole) => new CdbFile(path, whole),
  write: writeCdb,
  terminates: false,
  title: (name) => name,
  calledByName: false,
  keepsFile: false,
  rewrittenInPlace: false,
  constant: true,
  madeByChange: false,
  openProblem: (path, why, isOther = false) =>
    isOther ? `dict_cdbq_open: unable to init ${path}: ${why}` : database(path, why),
};

const LMDB: IndexFormat = {
  type: "lmdb",
  suffix: ".lmdb",
  open: (path) => new LmdbFile(path),
  write: writeLmdb,
  terminates: true,
  title: (name) => `lmdb:${name}`,
  calledByName: true,
  keepsFile: true,
  rewrittenInPlace: false,
  constant: false,
  madeByChange: true,
  openProblem: database,
};

/** The index formats, by type. */
export const INDEX_FORMATS: Readonly<Record<string, IndexFormat>> = {
  hash: HASH,
  btree: BTREE,
  cdb: CDB,
  lmdb: LMDB,
};

/** Why a file of this format could not be opened. */
export function whyNotOpened({ openProblem }: IndexFormat, path: string, error: unknown): string {
  return error instanceof TableFault
    ? openProblem(path, error.message, error.isOther)
    : openProblem(path, systemErrorText(error));
}
