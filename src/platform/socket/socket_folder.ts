import fs from "node:fs";
import type { HeldFolder } from "../file/folder/held_folder.ts";
import { ownFolder, type OwnFolderOptions } from "../file/folder/own_folder.ts";
import { closeDescriptor } from "./inherited_sockets.ts";
import { openUnixListener } from "./unix_listener.ts";

/** The master's own folder with listening unix sockets in it, which nobody else can put something in the place of. */
export interface SocketFolder {
  readonly path: string;
  /** A listening socket of that name, to be inherited, with these permission bits. Throws the system's error. */
  listen(name: string, mode: number, backlog: number): number;
  /** Removes a socket's name. */
  remove(name: string): void;
  close(): void;
}

/** Makes, or finds, such a folder. Throws the system's error, or says whose the folder is. */
export function openSocketFolder(path: string, options: OwnFolderOptions): SocketFolder {
  const held = ownFolder(path, options);
  return {
    path,
    listen(name, mode, backlog) {
      remove(held, name);
      return openUnixListener(held.entry(name), mode, backlog);
    },
    remove: (name) => remove(held, name),
    close: () => closeDescriptor(held.fd),
  };
}

function remove(folder: HeldFolder, name: string): void {
  fs.rmSync(folder.entry(name), { force: true });
}
