import fs from "node:fs";

/**
 * Hears of what is made or changed in a folder, by name; undefined where it is not known what. Under a flood some of it may go unsaid.
 * Throws the system's error: there may be no more watches (inotify(7)).
 */
export function watchFolder(
  path: string,
  changed: (name: string | undefined) => void,
  failed: (error: unknown) => void,
): () => void {
  const watcher = fs.watch(path, { persistent: false }, (_event, name) => changed(name ?? undefined));
  watcher.on("error", failed);
  return () => watcher.close();
}
