import { spawn } from "node:child_process";

/** The user and group a child runs as. Only root can name another; the child has no supplementary groups. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** How this program is started again: the executable on disk now, or the source under Bun. */
export function ownCommand(): { readonly program: string; readonly args: readonly string[] } {
  const compiled = Bun.main.startsWith("/$bunfs/");
  return { program: process.execPath, args: compiled ? [] : ["--no-install", Bun.main] };
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
