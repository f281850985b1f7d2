import { hasDefault, ROWS, type Scope } from "./scope.ts";
import type { Settings } from "./parameters/settings_type.ts";

/**
 * Settings that read, expand and check a value when it is first asked for, so that a tool which needs three of nine
 * hundred parameters pays for three. A value that cannot be used throws `ConfigurationFault`; after a full check none does.
 */
class LazySettings {
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  static #ready = false;

  /** One getter a row; made once, and only where somebody asks for settings at all. */
  static prepare(): void {
    if (LazySettings.#ready) return;
    LazySettings.#ready = true;
    for (const [name, row] of ROWS) {
      if (!hasDefault(row)) continue;
      Object.defineProperty(LazySettings.prototype, name, {
        enumerable: true,
        get(this: LazySettings) {
          const value = this.#scope.value(name);
          Object.defineProperty(this, name, { value, enumerable: true });
          return value;
        },
      });
    }
  }
}

/** The settings of a scope. */
export function lazySettings(scope: Scope): Settings {
  LazySettings.prepare();
  return new LazySettings(scope) as unknown as Settings; // the getters above are the table's rows, one each
}
