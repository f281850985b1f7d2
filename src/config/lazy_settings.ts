import { ConfigurationFault } from "./syntax/diagnostic.ts";
import { hasDefault, ROWS, type Scope } from "./scope.ts";
import type { Settings } from "./parameters/settings_type.ts";

/**
 * Settings that read, expand and check a value when it is first asked for, so that a tool which needs three of nine
 * hundred parameters pays for three. A value that cannot be used throws `ConfigurationFault`; after a full check none does.
 */
class LazySettings {
  readonly #scope: Scope;
  readonly #standIn: Scope | undefined;

  constructor(scope: Scope, standIn: Scope | undefined) {
    this.#scope = scope;
    this.#standIn = standIn;
  }

  #value(name: string): string | number | boolean | undefined {
    try {
      return this.#scope.value(name);
    } catch (error) {
      if (this.#standIn === undefined || !(error instanceof ConfigurationFault)) throw error;
      return this.#standIn.value(name);
    }
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
          const value = this.#value(name);
          Object.defineProperty(this, name, { value, enumerable: true });
          return value;
        },
      });
    }
  }
}

/** Any parameter of a scope by name; for a text that cannot be expanded the built-in one of `standIn`, if there is one. */
export function expandedParameter(scope: Scope, standIn?: Scope): (name: string) => string | undefined {
  return (name) => {
    try {
      return scope.expanded(name);
    } catch (error) {
      if (standIn === undefined || !(error instanceof ConfigurationFault)) throw error;
      return standIn.expanded(name);
    }
  };
}

/** The settings of a scope; for a value that cannot be used that of `standIn`, if there is one. */
export function lazySettings(scope: Scope, standIn?: Scope): Settings {
  LazySettings.prepare();
  return new LazySettings(scope, standIn) as unknown as Settings; // the getters above are the table's rows, one each
}
