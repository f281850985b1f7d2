import { expect, test } from "bun:test";
import type { ChildHandler } from "../platform/socket/child.ts";
import { WorkerProcess } from "./worker_process.ts";

test("a worker that is gone is asked nothing: who does hears of it at once, as who asked before", async () => {
  let child: ChildHandler | undefined;
  const worker = new WorkerProcess(
    (_options, handler) => {
      child = handler;
      return { pid: 7, backlog: 0, send: () => {}, kill: () => {}, close: () => {} };
    },
    { args: [], shownAs: "worker", inherit: [], environment: {} },
    {
      ready: () => {},
      unfit: () => {},
      metrics: () => {},
      request: () => Promise.reject(new Error("nothing is asked of master")),
      malformed: () => {},
      exit: () => {},
    },
  );
  const before = worker.ask("snapshot", {}, { timeout: 60_000 });
  child!.exit({ code: 0, signal: null });
  await expect(before).rejects.toThrow("process 7 ended");
  await expect(worker.ask("snapshot", {}, { timeout: 60_000 })).rejects.toThrow("process 7 ended");
});
