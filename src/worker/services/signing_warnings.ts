import { reportKeys } from "../../cleanup/signing/report_keys.ts";
import { splitList } from "../../config/syntax/list.ts";
import { isOpenToAll } from "../../platform/file/private_file.ts";
import type { AssemblyContext } from "../assembly.ts";
import type { MailWorld } from "./mail_world.ts";

/** At the start the log says, once for all workers, which signatures will fail, and what to publish (dkim_signing_keys). */
export async function warnOfSigningKeys(
  { configuration: { settings }, index, logFor, tlsFiles }: AssemblyContext,
  { resolver, openTables }: Pick<MailWorld, "resolver" | "openTables">,
): Promise<void> {
  if (index > 0 || splitList(settings.dkim_signing_keys).length === 0) return;
  const log = logFor(settings);
  const { keys, problems, notes } = await reportKeys(settings, {
    resolver,
    openTables,
    read: (path) => tlsFiles.read(path),
    isOpenToAll,
  });
  for (const text of [...problems, ...notes]) log.note("cleanup", "warning", text);
  for (const { text, fix } of keys.flatMap((key) => key.problems)) {
    log.note("cleanup", "warning", `${text}; ${fix}`);
  }
}
