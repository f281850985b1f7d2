import type { Settings } from "./parameters/settings_type.ts";

/** Settings with some of them replaced; the others are read from `base` when asked for, as lazily as there. */
export function overlay(base: Settings, own: Partial<Settings>): Settings {
  const out = {};
  for (const name in base) {
    Object.defineProperty(out, name, {
      enumerable: true,
      configurable: true,
      get: () => base[name as keyof Settings],
    });
  }
  for (const [name, value] of Object.entries(own)) {
    Object.defineProperty(out, name, { enumerable: true, value });
  }
  return out as Settings; // every name of `base` has a getter above
}
