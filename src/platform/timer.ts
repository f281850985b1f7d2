/** Calls again and again; never keeps a process alive. The answer stops it. */
export function every(milliseconds: number, call: () => void): () => void {
  const timer = setInterval(call, milliseconds);
  timer.unref();
  return () => clearInterval(timer);
}

/** Stops everything for a moment: only for the last lines of a process that ends. */
export function blockFor(milliseconds: number): void {
  Bun.sleepSync(milliseconds);
}
