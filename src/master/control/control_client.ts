import { GatheredBytes } from "../../base/gathered_bytes.ts";
import { connect, type Connection } from "../../platform/socket/connection.ts";
import { controlSocketPath, parseControlLine, printControlLine, type Verb } from "./control_protocol.ts";

/** What became of a question to the running service. */
export type ControlAnswer =
  | { readonly is: "done"; readonly value: unknown }
  | { readonly is: "error"; readonly why: string }
  /** Nobody listens: the service is down. */
  | { readonly is: "down" }
  /** The socket is not ours to use. */
  | { readonly is: "forbidden"; readonly why: string };

/** A question to the running service of a queue directory. */
export interface ControlQuestion {
  readonly queueDirectory: string;
  readonly verb: Verb;
  readonly args?: { readonly [name: string]: unknown };
  /** Gets each row as it arrives. */
  readonly row?: (row: unknown) => void;
  /** Milliseconds without a byte from the service; default one minute. */
  readonly timeout?: number;
}

const DOWN = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR"]);

/** Asks the running service (control socket) and waits for the whole answer. */
export async function askService(question: ControlQuestion): Promise<ControlAnswer> {
  const { queueDirectory, verb, args = {}, row, timeout = 60_000 } = question;
  const { promise, resolve } = Promise.withResolvers<ControlAnswer>();
  const lines = lineSplitter((line) => {
    const answer = parseControlLine(line);
    if (answer === undefined) resolve({ is: "error", why: "malformed answer of the service" });
    else if ("row" in answer) row?.(answer.row);
    else resolve("error" in answer ? { is: "error", why: answer.error } : { is: "done", value: answer.done });
  });
  let connection: Connection;
  try {
    connection = await connect({ path: controlSocketPath(queueDirectory) }, { timeout: 5000 }, () => ({
      data: lines,
      end: () => resolve({ is: "error", why: "the service closed the connection" }),
      drain: () => {},
      timeout: () => resolve({ is: "error", why: "the service does not answer" }),
      close: () => resolve({ is: "error", why: "the service closed the connection" }),
    }));
  } catch (error) {
    return unreachable(error);
  }
  connection.setTimeout(timeout);
  connection.write(printControlLine({ verb, args }));
  try {
    return await promise;
  } finally {
    connection.destroy();
  }
}

function unreachable(error: unknown): ControlAnswer {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (DOWN.has(code)) return { is: "down" };
  return code === "EACCES" ? { is: "forbidden", why: message } : { is: "error", why: message };
}

/** Cuts a stream of bytes into its lines. */
export function lineSplitter(line: (text: string) => void): (chunk: Buffer) => void {
  const rest = new GatheredBytes();
  return (chunk) => {
    rest.add(chunk);
    for (let end = rest.lineEnd(); end >= 0; end = rest.lineEnd()) {
      line(rest.take(end + 1).toString("utf8", 0, end));
    }
  };
}
