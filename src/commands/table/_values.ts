import { readWhole } from "../../platform/file/random_access_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { ToolRun } from "./_run.ts";

/** For -F: a value is a list of file names, replaced by the base64 of their contents joined with newlines. */
export function fileValues(
  run: ToolRun,
  source: string,
): (value: string, line: number) => Uint8Array | undefined {
  return (value, line) => {
    const parts: Buffer[] = [];
    const names = splitList(value);
    if (names.length === 0) {
      run.warn(`${source}, line ${line}: empty pathname list: >>${value}<<': skipping this entry`);
      return undefined;
    }
    for (const name of names) {
      try {
        if (parts.length > 0) parts.push(Buffer.from("\n"));
        parts.push(readWhole(name));
      } catch (error) {
        run.warn(`${source}, line ${line}: open ${name}: ${systemErrorText(error)}: skipping this entry`);
        return undefined;
      }
    }
    return Buffer.from(Buffer.concat(parts).toString("base64"));
  };
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** For -F -q and -F -s: the bytes behind a base64 value, up to the first NUL as Postfix shows them; undefined, with a warning, when it is none. */
export function decodeValue(run: ToolRun, table: string, key: string, value: string): Buffer | undefined {
  if (BASE64.test(value)) {
    const content = Buffer.from(value, "base64");
    const nul = content.indexOf(0);
    return nul < 0 ? content : content.subarray(0, nul);
  }
  run.warn(`table ${table}: key ${key}: malformed BASE64 value: ${value.slice(0, 30)}`);
  return undefined;
}
