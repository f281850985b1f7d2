import { spawn } from "node:child_process";
import { systemErrorText } from "../system_error.ts";

/** Runs a program with our standard streams, and waits for its end: its exit status, 1 when a signal ended it; else why it was not started. */
export function runInForeground(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number | { readonly why: string }> {
  return new Promise((resolve) => {
    const child = spawn(argv[0]!, argv.slice(1), { stdio: "inherit", env: { ...environment } });
    child.on("error", (error) => resolve({ why: systemErrorText(error) }));
    child.on("exit", (code) => resolve(code ?? 1));
  });
}
