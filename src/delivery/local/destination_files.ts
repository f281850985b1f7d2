import type { Identity, TaskResult } from "../mailbox/writer.ts";
import type { FinalDelivery } from "./final_delivery.ts";
import type { LocalDeps } from "./local_deps.ts";
import type { LocalUser } from "./users.ts";

/** What came of a file of destinations that was to be read. */
type Reading =
  | { readonly is: "text"; readonly text: string }
  /** It may not be obeyed; the words for the log. */
  | { readonly is: "unfit"; readonly warning: string }
  /** Whether it may be obeyed could not be found out now. */
  | { readonly is: "later"; readonly why: string };

/** A list that an alias, another list or a user's `.forward` includes. */
export type List =
  | Exclude<Reading, { readonly is: "text" }>
  | { readonly is: "text"; readonly text: string; readonly identity: Identity | undefined }
  /** The user it belongs to is nobody's account. */
  | { readonly is: "ownerless"; readonly uid: number };

/** Failures that say nothing about the file. */
const PASSING = new Set(["EAGAIN", "EINTR", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE"]);

/** undefined: there is no such file. */
function readingOf(result: TaskResult): Reading | undefined {
  if (result.is === "read") {
    return result.text === undefined ? undefined : { is: "text", text: result.text };
  }
  if (result.is === "failed" && !PASSING.has(result.code)) return { is: "unfit", warning: result.why };
  return { is: "later", why: "why" in result ? result.why : result.is };
}

/**
 * Reads the file of an `:include:`. One that root's aliases name is read, and delivered to, with the rights of who owns it: who
 * can write it must not get those of default_privs. One that a user names gets no other rights than that user's (local(8)).
 */
export async function readList(
  path: string,
  named: Identity | undefined,
  final: FinalDelivery,
  { ownership, account }: Pick<LocalDeps, "ownership" | "account">,
): Promise<List> {
  if (named !== undefined) return listOf(path, await final.read({ path, kind: "include" }, named), named);
  const owner = ownership(path);
  if (owner === undefined || owner === "hidden") {
    const why = owner === undefined ? "No such file or directory" : "Permission denied";
    return { is: "unfit", warning: `unable to lookup :include: file ${path}: ${why}` };
  }
  const identity = owner.uid === 0 ? undefined : account(owner.uid);
  if (owner.uid !== 0 && identity === undefined) return { is: "ownerless", uid: owner.uid };
  const file = { path, kind: "include", found: owner.uid } as const;
  return listOf(path, await final.read(file, identity), identity);
}

function listOf(path: string, result: TaskResult, identity: Identity | undefined): List {
  const reading = readingOf(result) ?? { is: "later", why: `${path} is gone` };
  return reading.is === "text" ? { ...reading, identity } : reading;
}

/** The first of a user's forward files that is there; what a probe asks is only whether there is one. */
export async function findForward(
  paths: Iterable<string>,
  user: LocalUser,
  probe: boolean,
  final: FinalDelivery,
  { named }: Pick<LocalDeps, "named">,
): Promise<(Reading & { readonly path: string }) | undefined> {
  for (const path of paths) {
    const isThere = named(path);
    if (isThere === false || (isThere === "hidden" && user.uid === 0)) continue;
    if (probe && isThere === true) return { is: "text", text: "", path };
    const reading = readingOf(await final.read({ path, kind: "forward" }, user));
    if (reading !== undefined) return { ...reading, path };
  }
  return undefined;
}
