// Servers that are told to end, and what is known of those that do not.
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { until } from "../waiting.ts";

/** Tells it to end (SIGTERM) and waits; one that does not is killed, and the error says what it and its children were at. */
export async function endOf(child: ChildProcess): Promise<number | null> {
  child.kill("SIGTERM");
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  try {
    await until("the end of the server", ended);
    return child.exitCode;
  } catch (error) {
    const facts = [child.pid!, ...childrenOf(child.pid!)].map(factsOf).join("\n");
    child.kill("SIGKILL");
    throw new Error(`does not end on SIGTERM:\n${facts}`, { cause: error });
  }
}

/** What /proc says, or why it says nothing. */
function told(read: () => string): string {
  try {
    return read();
  } catch (error) {
    return (error as Error).message;
  }
}

function childrenOf(pid: number): number[] {
  const children = told(() => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
  return children.split(" ").map(Number).filter((each) => each > 0);
}

/** What a process is at: state, signals, where its threads wait, what it has open. */
function factsOf(pid: number): string {
  const at = `/proc/${pid}`;
  const file = (name: string) => told(() => readFileSync(`${at}/${name}`, "utf8"));
  const status = file("status").split("\n").filter((line) => /^(?:Name|State|Sig|Shd|Threads)/.test(line));
  const threads = told(() =>
    readdirSync(`${at}/task`).map((each) =>
      `${file(`task/${each}/comm`).trim()}=${file(`task/${each}/wchan`)}`
    )
      .join(" ")
  );
  const open = told(() => readdirSync(`${at}/fd`).map((fd) => readlinkSync(`${at}/fd/${fd}`)).join(" "));
  return `pid ${pid}: ${file("cmdline").replaceAll("\0", " ")}\n  ${
    status.join("; ")
  }\n  threads: ${threads}\n  open: ${open}`;
}
