/** What a postmaster's notice about a session may be sent for (notify_classes, postconf(5)). */
export const ERROR_CLASSES = ["bounce", "data", "policy", "protocol", "resource", "software"] as const;

/** One of them. */
export type ErrorClass = typeof ERROR_CLASSES[number];

/** Those of a list such as notify_classes that are of this kind; `delay` and `2bounce` are about delivery alone. */
export function errorClassesIn(words: readonly string[]): ReadonlySet<ErrorClass> {
  return new Set(ERROR_CLASSES.filter((each) => words.includes(each)));
}
