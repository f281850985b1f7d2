import type { Diagnostic } from "./diagnostic.ts";
import type { MasterCf } from "./master_cf.ts";
import type { LightConfiguration } from "./read_settings.ts";
import type { ScopedService } from "./services.ts";

/** What a full check looks at. */
export interface Checkable {
  readonly light: LightConfiguration;
  readonly services: readonly ScopedService[];
  readonly master: MasterCf;
}

/** Everything that is wrong or odd, all at once. */
export function checkConfiguration(_checkable: Checkable): Diagnostic[] {
  return [];
}
