// When a mail system is done with what it was given, as its own log tells: nothing is waited for that it does not say.

/** A message that a log names: one that was taken, became active, or came of another one. */
const NAMED = [
  /\b(\w+): from=.*queue active/g,
  /notification: (\w+)$/gm,
  /\(forwarded as (\w+)\)/g,
];
/** What is said of a message with which nothing more happens for now. */
const REMOVED = /\b(\w+): (?:removed$|(?:hold|discard|milter-hold|milter-discard): )/gm;

const idsIn = (log: string, pattern: RegExp) => [...log.matchAll(pattern)].map(([, id]) => id!);

/** The messages in a log, and those given, that are neither removed nor kept for later with all their recipients. */
export function unfinished(log: string, accepted: readonly string[] = []): string[] {
  const removed = new Set(idsIn(log, REMOVED));
  const lines = log.split("\n");
  const isLeft = (id: string) => {
    if (removed.has(id)) return false;
    if (lines.some((line) => line.includes(` ${id}: from=`) && line.includes("status=expired"))) return true;
    const last = lines.findLastIndex((line) =>
      line.includes(` ${id}: from=`) && line.endsWith("(queue active)")
    );
    const recipients = Number(/nrcpt=(\d+)/.exec(lines[last] ?? "")?.[1] ?? Infinity);
    const told = lines.slice(last + 1).filter((line) => line.includes(` ${id}: to=`));
    return told.length < recipients || !told.some((line) => line.includes("status=deferred"));
  };
  return [...new Set([...accepted, ...NAMED.flatMap((pattern) => idsIn(log, pattern))])].filter(isLeft);
}

/** The sessions in a log that are over. */
export function sessionsOver(log: string): number {
  return log.match(/: disconnect from /g)?.length ?? 0;
}
