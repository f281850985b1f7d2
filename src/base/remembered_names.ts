/** How long a name is remembered, in milliseconds, and how many are. */
const FRESH = 10_000;
const MOST = 1000;

/**
 * Login names, each asked for once in a while: behind the system's call may be a directory server that takes its time, and whoever
 * connects again and again must not make us wait for it each time.
 */
export function rememberedNames(
  ask: (uid: number) => string | undefined,
  now: () => number,
): (uid: number) => string | undefined {
  const known = new Map<number, { readonly name: string | undefined; readonly until: number }>();
  return (uid) => {
    const old = known.get(uid);
    if (old !== undefined && old.until > now()) return old.name;
    const name = ask(uid);
    if (known.size >= MOST) known.clear();
    known.set(uid, { name, until: now() + FRESH });
    return name;
  };
}
