import type { ValueOf } from "./parameter.ts";
import type { parameters } from "./parameters.ts";

type Rows = typeof parameters;

/** The name of a parameter. A misspelt one does not compile; legacy names have no value of their own. */
export type ParameterName = {
  [Name in keyof Rows]: Name extends `<${string}` ? never
    : Rows[Name]["fallback"] extends `(${string}` ? never
    : Name;
}[keyof Rows];

/** Every parameter's value for one service: main.cf, the service's `-o` on top, `$name` expanded. */
export type Settings = { readonly [Name in ParameterName]: ValueOf<Rows[Name]> };
