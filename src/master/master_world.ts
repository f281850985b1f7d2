import type { Configuration } from "../config/service.ts";
import type { World } from "../config/world.ts";
import type { FileIdentity } from "../platform/file/random_access_file.ts";
import type { Identity } from "../platform/process/spawn.ts";
import type { Child, ChildHandler, ChildOptions } from "../platform/socket/child.ts";
import type { SystemUser } from "../platform/process/users.ts";
import type { OwnFolderOptions } from "../platform/file/folder/own_folder.ts";
import type { QueueSocket, QueueSocketPlace } from "../platform/socket/queue_socket.ts";
import type { SocketFolder } from "../platform/socket/socket_folder.ts";
import type { SocketCalls } from "./listening_sockets.ts";

/** What master asks of the machine; tests bring their own. */
export interface MasterWorld {
  readonly world: World;
  readonly sockets: SocketCalls;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly hostName: string;
  readonly processors: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  userByName(name: string): SystemUser | undefined;
  spawn(options: ChildOptions, handler: ChildHandler): Child;
  openSocketFolder(path: string, options: OwnFolderOptions): SocketFolder;
  /** A listening socket in a folder of that user's. */
  openQueueSocket(place: QueueSocketPlace, owner: Identity): QueueSocket;
  closeSocket(fd: number): void;
  raiseOpenFiles(wanted: number): number;
  /** Makes queue_directory and data_directory what the workers need; answers a warning; throws an Error that says what is wrong. */
  prepareDirectories(configuration: Configuration, identity: Identity | undefined): readonly string[];
  closeFile(fd: number): void;
  /** A file's bytes, one a character, when the reader cannot read it and we can. */
  bytesToLend(path: string, reader: Identity): string | undefined;
  /** Whether a file is none that the reader can change. */
  isOutOfReach(path: string, reader: Identity): boolean;
  /** The files with authorities in a folder, none when it cannot be read. */
  authoritiesIn(folder: string): readonly string[];
  /** The file in a data_directory that bans of logins outlive a restart in. Throws the system's error. */
  bansIn(dataDirectory: string): { read(): string | undefined; write(text: string): void };
  /** What tells a file from another or a changed one. */
  identityOf(path: string): FileIdentity | undefined;
  after(milliseconds: number, call: () => void): () => void;
  now(): number;
}
