import { splitList } from "../config/syntax/list.ts";
import { systemErrorText } from "../platform/system_error.ts";
import type { TableContext } from "../table/context.ts";
import { readTableFile } from "../table/text/table_file.ts";

/** Files that master has read for a process that may not (`lent`). */
export type LentFiles = Pick<TableContext, "lent">;

const FILE = "file:";
/** A longer file holds no secrets. */
const LARGEST = 65_536;
/** More are tried for each address that comes back: nobody rolls over so many. */
const MOST = 100;

/** One item of srs_secret: what it holds, and from which file. */
export interface SrsSecretSource {
  /** The file; undefined for a secret that is written in the parameter itself. */
  readonly path: string | undefined;
  readonly secrets: readonly Buffer[];
  /** Why there are none. */
  readonly fault?: string;
}

/** Reads srs_secret: secrets as they are written, and files with one on each line (postsrsd(8)). */
export function readSrsSecrets(text: string, files: LentFiles): readonly SrsSecretSource[] {
  return splitList(text).map((item) =>
    item.startsWith(FILE)
      ? secretsIn(item.slice(FILE.length), files)
      : { path: undefined, secrets: [Buffer.from(item)] }
  );
}

function secretsIn(path: string, files: LentFiles): SrsSecretSource {
  const fault = (why: string) => ({ path, secrets: [], fault: `srs_secret: ${path}: ${why}` });
  if (!path.startsWith("/")) return fault("a whole path is needed, from / on");
  try {
    const lines = readTableFile(path, files, LARGEST).toString("latin1").split(/[\r\n]+/);
    const secrets = lines.filter((line) => line !== "").map((line) => Buffer.from(line, "latin1"));
    if (secrets.length > MOST) return fault(`more than ${MOST} secrets`);
    return secrets.length === 0 ? fault("no secret in it") : { path, secrets };
  } catch (error) {
    return fault(systemErrorText(error));
  }
}
