import type { Clock } from "./clock.ts";

/** What comes of some work, or `late` when it is not done after so many milliseconds; it is not stopped then. */
export async function inTime<Done, Late>(
  work: Promise<Done>,
  { clock, limit, late }: { readonly clock: Clock; readonly limit: number; readonly late: Late },
): Promise<Done | Late> {
  const over = Promise.withResolvers<Late>();
  const cancel = clock.after(limit, () => over.resolve(late));
  try {
    return await Promise.race([work, over.promise]);
  } finally {
    cancel();
  }
}
