import type { ValueOf } from "./parameter.ts";
import type { parameters } from "./parameters.ts";

/** The name of a parameter. A misspelt one does not compile. */
export type ParameterName = keyof typeof parameters;

/** Every parameter's value for one service: main.cf, the service's `-o` on top, `$name` expanded. */
export type Settings = { readonly [Name in ParameterName]: ValueOf<(typeof parameters)[Name]> };
