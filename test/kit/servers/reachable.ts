import { connect } from "node:net";

/** Whether something listens on a port of 127.0.0.1, or at a unix socket. */
export function answers(at: number | string): Promise<boolean> {
  const to = typeof at === "number" ? { host: "127.0.0.1", port: at } : { path: at };
  return new Promise((resolve) => {
    const socket = connect(to, () => (socket.destroy(), resolve(true)));
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
