// Property tests whose failure says how to repeat it in any case.
import fc from "fast-check";

/** Milliseconds for one case: what takes longer hangs. */
const ONE_CASE = 60_000;

/** How many cases, how long they may take together (less than the test), and where to begin: `seed` and `path` of an earlier failure. */
export interface Repeatable {
  readonly numRuns: number;
  /** Milliseconds. */
  readonly within: number;
}

/**
 * `fc.assert` that ends before its test does: a test that runs out of time says nothing of what it was at, and shrinking takes time too.
 * What it throws begins with the seed, and holds the counterexample as far as it was shrunk by then. `PROPERTY_SEED` and
 * `PROPERTY_PATH` repeat it.
 */
export async function holds<Case>(property: fc.IAsyncProperty<Case>, options: Repeatable): Promise<void> {
  const { numRuns, within } = options;
  const { PROPERTY_SEED: seed, PROPERTY_PATH: path } = process.env;
  await fc.assert(property, {
    numRuns,
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
    timeout: ONE_CASE,
    interruptAfterTimeLimit: within,
    markInterruptAsFailure: true,
    includeErrorInReport: true,
  });
}
