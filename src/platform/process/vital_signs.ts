/** Memory and processor time of this process, for metrics. */
export function vitalSigns(): {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
} {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { residentBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6 };
}

/** Calls `report` every `period` milliseconds with how much later than planned the event loop came to it. */
export function watchEventLoop(period: number, report: (lagMilliseconds: number) => void): void {
  let planned = performance.now() + period;
  const timer = setInterval(() => {
    const at = performance.now();
    report(Math.max(0, at - planned));
    planned = at + period;
  }, period);
  timer.unref();
}
