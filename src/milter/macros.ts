import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import { splitListRaw, stripBraces } from "../config/syntax/list.ts";
import type { FilterParameters } from "./filter_settings.ts";
import type { MacroStage } from "./negotiation.ts";

/** Says what a macro is worth, by its name without braces; undefined when it is worth nothing now. */
export type MacroSource = (name: string) => MaybeAsync<string | undefined>;

/** Names and values by turns, as they go to a filter: one character a byte. */
export type MacroTexts = readonly string[];

/** Macros as main.cf has them: which are sent at each stage, and what is said where they are worth nothing. */
export interface MacroSettings {
  readonly lists: Readonly<Record<MacroStage, readonly string[]>>;
  readonly defaults: ReadonlyMap<string, string>;
}

const bare = (name: string) => name.startsWith("{") ? name.slice(1, -1) : name;

const bytesText = (text: string) =>
  /[^\x00-\x7f]/.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;

/** The names in a list of macros. */
export function macroNames(list: string): readonly string[] {
  return list.split(/[, \t\r\n]+/).filter((name) => name !== "");
}

/** Reads the macros of main.cf. Throws what is wrong with the defaults. */
export function readMacroSettings(settings: FilterParameters): MacroSettings {
  return {
    lists: {
      connect: macroNames(settings.milter_connect_macros),
      helo: macroNames(settings.milter_helo_macros),
      mail: macroNames(settings.milter_mail_macros),
      rcpt: macroNames(settings.milter_rcpt_macros),
      data: macroNames(settings.milter_data_macros),
      endOfHeader: macroNames(settings.milter_end_of_header_macros),
      endOfMessage: macroNames(settings.milter_end_of_data_macros),
      unknown: macroNames(settings.milter_unknown_command_macros),
    },
    defaults: readDefaults(settings.milter_macro_defaults),
  };
}

/** milter_macro_defaults: `name=value`, `{ name = value }`, `{name}=value`; the first of a name counts. */
function readDefaults(text: string): ReadonlyMap<string, string> {
  const defaults = new Map<string, string>();
  for (const item of splitListRaw(text)) {
    const inner = /^\{[^{}=]*\}\s*=/.test(item) || !item.startsWith("{") ? item : stripBraces(item);
    const match = typeof inner === "string" ? /^([^=]*?)\s*=\s*([^]*)$/.exec(inner) : null;
    if (match === null || match[1] === "") {
      throw new Error(`malformed default macro entry: missing '=' after attribute name in "${text}"`);
    }
    const name = bare(match[1]!);
    if (!defaults.has(name)) defaults.set(name, match[2]!);
  }
  return defaults;
}

/** The macros of a list that are worth something. */
export function macroTexts(
  names: readonly string[],
  source: MacroSource,
  defaults: ReadonlyMap<string, string>,
): MaybeAsync<MacroTexts> {
  const texts: string[] = [];
  const add = (name: string, value: string | undefined) => {
    const said = value ?? defaults.get(bare(name));
    if (said !== undefined) texts.push(name, bytesText(said).replaceAll("\0", ""));
  };
  const from = (start: number): MaybeAsync<MacroTexts> => {
    for (let at = start; at < names.length; at++) {
      const name = names[at]!;
      const value = source(bare(name));
      if (isPromise(value)) {
        return value.then((late) => {
          add(name, late);
          return from(at + 1);
        });
      }
      add(name, value);
    }
    return texts;
  };
  return from(0);
}
