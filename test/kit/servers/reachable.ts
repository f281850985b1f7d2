import { connect } from "node:net";
import { until } from "../waiting.ts";

/** Whether something listens on a port of 127.0.0.1, or at a unix socket. */
export function answers(at: number | string): Promise<boolean> {
  const to = typeof at === "number" ? { host: "127.0.0.1", port: at } : { path: at };
  return new Promise((resolve) => {
    const socket = connect(to, () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });
}

/** Waits until something listens on a port of 127.0.0.1. */
export function reachable(port: number): Promise<void> {
  return until(`a listener on port ${port}`, () => answers(port));
}
