import { connect } from "node:net";

/** Whether something listens on a port of 127.0.0.1. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });
}

/** Waits until something listens on a port of 127.0.0.1, ten seconds at most. */
export async function reachable(port: number): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    if (await answers(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing listens on port ${port}`);
}
