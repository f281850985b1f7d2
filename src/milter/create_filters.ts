import { systemClock } from "../base/clock.ts";
import { connect } from "../platform/socket/connection.ts";
import type { ChannelWorld } from "./channel.ts";
import { Filter, type FilterContext, type Warn } from "./filter.ts";
import { FilterChain } from "./filter_chain.ts";
import { type FilterParameters, readFilters } from "./filter_settings.ts";
import { type MacroSettings, readMacroSettings } from "./macros.ts";

/** Opens the filters of a list (smtpd_milters) for a session; undefined where there are none. */
export type CreateFilters = (list: string) => FilterChain | undefined;

const WORLD: ChannelWorld = { connect, clock: systemClock };

/** Reads what main.cf says of filters; `warn` hears of their trouble. */
export function filtersOf(
  settings: FilterParameters,
  warn: Warn,
  world: ChannelWorld = WORLD,
): CreateFilters {
  const { macros, flaw } = macrosOf(settings);
  const context: FilterContext = {
    ...world,
    warn,
    directory: settings.queue_directory,
    softBounce: settings.soft_bounce,
  };
  return (list) => {
    const filters = readFilters(list, settings).map((each) =>
      new Filter(flaw === undefined ? each : { ...each, flaw, defaultAction: "tempfail" }, context)
    );
    return filters.length === 0 ? undefined : new FilterChain(filters, macros);
  };
}

/** With macros that cannot be read no filter is asked: it would judge by less than the operator means to tell it. */
function macrosOf(settings: FilterParameters): { readonly macros: MacroSettings; readonly flaw?: string } {
  try {
    return { macros: readMacroSettings(settings) };
  } catch (error) {
    const macros = readMacroSettings({ ...settings, milter_macro_defaults: "" });
    return { macros, flaw: (error as Error).message };
  }
}
