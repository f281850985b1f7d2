import type { DEMANDED, HONOURED } from "./honoured.ts";
import type { ValueOf } from "./parameter.ts";
import type { parameters, patterns } from "./parameters.ts";

type Rows = typeof parameters;

/** The name of a parameter. A misspelt one does not compile; legacy names have no value of their own. */
export type ParameterName = {
  [Name in keyof Rows]: Name extends `<${string}` ? never
    : Rows[Name]["fallback"] extends `(${string}` ? never
    : Name;
}[keyof Rows];

/** Parameters that every transport has, by what follows its name. */
export type TransportParameter = Extract<keyof typeof patterns, `<transport>_${string}`>;

/**
 * The settings that a list of parameters names. A room declares each list as a constant `..._PARAMETERS`: it gives the type of what
 * the room may read, and what counts as honoured (scripts/honoured.ts).
 */
export type SettingsOf<List extends readonly ParameterName[]> = {
  readonly [Name in List[number]]: ValueOf<Rows[Name]>;
};

/** The parameters that any part of the program reads. */
type Read = (typeof HONOURED)[number] | (typeof DEMANDED)[number];

/** Their values for one service: main.cf, the service's `-o` on top, `$name` expanded. What is on no list cannot be read. */
export type Settings = SettingsOf<readonly Extract<ParameterName, Read>[]>;
