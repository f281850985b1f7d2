/** Calls again and again; never keeps a process alive. The answer stops it. */
export function every(milliseconds: number, call: () => void): () => void {
  const timer = setInterval(call, milliseconds);
  timer.unref();
  return () => clearInterval(timer);
}
