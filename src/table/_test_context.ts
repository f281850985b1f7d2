import type { TableContext } from "./context.ts";

/** A context for tests: warnings are kept, time stands still unless told. */
export interface TestContext extends TableContext {
  readonly warnings: string[];
  now: number;
}

/** A context for tests, which keeps its warnings. */
export function testContext(more: Partial<TableContext> = {}): TestContext {
  const context: TestContext = {
    directory: "",
    parameter: () => undefined,
    warnings: [],
    now: 1_000_000,
    warn: (text) => void context.warnings.push(text),
    clock: () => context.now,
    ...more,
  };
  return context;
}
