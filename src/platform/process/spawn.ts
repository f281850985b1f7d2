import { spawn } from "node:child_process";

/** The user and group a child runs as. Only root can name another; the child has no supplementary groups. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** What a child process of this program is started with. */
export interface ChildOptions {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  /** What `ps` shows as its name. */
  readonly shownAs: string;
  readonly identity?: Identity;
  /** Descriptors of ours that the child gets, as 3, 4, 5 and so on. */
  readonly inherit: readonly number[];
  /** The environment, whole. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What the parent hears of a child. */
export interface ChildHandler {
  message(message: unknown): void;
  /** Last call, exactly once. `error` when it could not even be started. */
  exit(how: { readonly code: number | null; readonly signal: string | null; readonly error?: Error }): void;
}

/** A running child process of this program. */
export interface Child {
  readonly pid: number | undefined;
  /** Sends a message (JSON); harmless when the child is gone. */
  send(message: unknown): void;
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): void;
}

/** How this program is started again: the executable on disk now, or the source under Bun. */
function ownCommand(): { readonly program: string; readonly args: readonly string[] } {
  const compiled = Bun.main.startsWith("/$bunfs/");
  return { program: process.execPath, args: compiled ? [] : ["--no-install", Bun.main] };
}

/** Starts this program again as a child with a message channel. */
export function spawnSelf(options: ChildOptions, handler: ChildHandler): Child {
  const own = ownCommand();
  const child = spawn(own.program, [...own.args, ...options.args], {
    argv0: options.shownAs,
    env: { ...options.environment },
    stdio: ["ignore", "inherit", "inherit", ...options.inherit, "ipc"],
    serialization: "json",
    ...options.identity,
  });
  let over = false;
  const exited: ChildHandler["exit"] = (how) => {
    if (over) return;
    over = true;
    handler.exit(how);
  };
  child.on("exit", (code, signal) => exited({ code, signal }));
  child.on("error", (error) => {
    if (child.pid === undefined) exited({ code: null, signal: null, error });
  });
  child.on("message", (message) => handler.message(message));
  return {
    pid: child.pid,
    send(message) {
      if (!over && child.connected) child.send(message as object, () => {});
    },
    kill: (signal) => void child.kill(signal),
  };
}

/** The channel to the parent that started this process by `spawnSelf`. */
export interface ParentChannel {
  send(message: unknown): void;
  onMessage(handler: (message: unknown) => void): void;
  /** The parent is gone. */
  onClose(handler: () => void): void;
}

/** The channel to the parent, or undefined when this process was started in another way. */
export function parentChannel(): ParentChannel | undefined {
  if (process.send === undefined) return undefined;
  return {
    send(message) {
      if (process.connected) process.send!(message, undefined, undefined, () => {});
    },
    onMessage: (handler) => void process.on("message", handler),
    onClose: (handler) => void process.on("disconnect", handler),
  };
}

/** Starts this program in a session of its own, not tied to the terminal; descriptor 3 of it is the pipe that `line` reads. */
export interface Detached {
  readonly pid: number;
  /** Everything that it wrote to descriptor 3 until it closed it. */
  readonly report: Promise<string>;
}

/** Starts this program detached (a daemon): standard streams on /dev/null, `report` collects what it says on descriptor 3. */
export function spawnDetached(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Detached {
  const own = ownCommand();
  const child = spawn(own.program, [...own.args, ...args], {
    env: { ...environment },
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  child.unref();
  const report = new Promise<string>((resolve) => {
    let text = "";
    const pipe = child.stdio[3] as NodeJS.ReadableStream;
    pipe.setEncoding("utf8");
    pipe.on("data", (chunk: string) => text += chunk);
    pipe.on("error", () => resolve(text));
    pipe.on("close", () => resolve(text));
    child.on("error", (error) => resolve(`fatal: ${error.message}\n`));
  });
  return { pid: child.pid ?? 0, report };
}
