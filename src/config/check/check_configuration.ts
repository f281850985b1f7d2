import type { Diagnostic } from "../syntax/diagnostic.ts";
import { checkMain } from "./check_main.ts";
import { checkOldDefaults } from "./check_level.ts";
import { checkGateway } from "./check_gateway.ts";
import { checkHonoured } from "./check_honoured.ts";
import { checkComments } from "./check_comments.ts";
import { checkUserLists } from "./check_user_lists.ts";
import { checkNames } from "./check_names.ts";
import { checkDmarcReports } from "./check_dmarc_reports.ts";
import { checkOwnOptions } from "./check_own_options.ts";
import { checkNeighbours } from "./check_neighbours.ts";
import { checkMailAuthentication } from "./check_mail_authentication.ts";
import { checkChroot, checkMainLists, checkService } from "./check_services.ts";
import { narrowed } from "./closings.ts";
import type { SystemUsers } from "./check_users.ts";
import { checkValues } from "./check_values.ts";
import { checkOwn } from "./own_parameters.ts";
import type { MasterCf } from "../syntax/master_cf.ts";
import type { LightConfiguration } from "../read_settings.ts";
import type { Scope, Setting } from "../scope.ts";
import { serviceKey } from "../service.ts";
import type { Surroundings } from "./lost.ts";
import type { ScopedService } from "../services.ts";

/** What a full check looks at. */
export interface Checkable {
  readonly light: LightConfiguration;
  readonly services: readonly ScopedService[];
  readonly master: MasterCf;
  readonly users: SystemUsers;
}

/** The `-o` of all entries, those of services that are switched off included. */
function optionSettings(master: MasterCf): Setting[] {
  return master.entries.flatMap(({ name, type, line, options }) =>
    options.map((option) => ({ ...option, file: master.path, line, service: `${name}/${type}` }))
  );
}

/** The scope of a setting and the programs that may read it: of all services, or of the one whose `-o` it is. */
function surroundingsIn(main: Scope, services: readonly ScopedService[]): (setting: Setting) => Surroundings {
  const programs = new Set(services.map(({ service }) => service.program));
  const own = new Map(services.map((each) => [serviceKey(each.service), each]));
  return ({ service: key }) => {
    if (key === undefined) return { scope: main, programs };
    const found = own.get(key);
    return { scope: found?.scope, programs: new Set(found === undefined ? [] : [found.service.program]) };
  };
}

const isSmtpd = ({ service }: ScopedService) => service.program === "smtpd";

/** Everything that is wrong or odd, all at once: types, ranges, words, names, and what does not go together. */
export function checkConfiguration({ light, services, master, users }: Checkable): Diagnostic[] {
  const { scope } = light;
  const main = [...light.context.main.values()];
  const options = optionSettings(master);
  const all = [...main, ...options];
  const restrictionOptions = new Set(options.map(({ name }) => name));
  const ownLists = (each: ScopedService) =>
    each.entry.options.some(({ name }) => restrictionOptions.has(name) && name.endsWith("_restrictions"));
  return [
    ...checkValues(scope, main, new Set(services.map(({ service }) => service.program)))
      .map((each) => narrowed(each, services)),
    ...checkMain({ scope, path: light.mainCf.path, users }),
    ...checkOwn(scope),
    ...checkOldDefaults(scope),
    ...checkGateway(scope),
    ...checkNeighbours(scope),
    ...checkMailAuthentication(scope, services.filter(isSmtpd).map((each) => each.scope)),
    ...checkDmarcReports(scope, services.filter(isSmtpd).map((each) => each.scope)),
    ...checkMainLists(scope, services),
    ...services.flatMap((each) => checkService(master, each, ownLists(each))),
    ...checkChroot(master),
    ...checkOwnOptions(master),
    ...checkNames(scope, all, master),
    ...checkComments(all),
    ...checkUserLists(all),
    ...checkHonoured(all, surroundingsIn(scope, services)),
  ];
}
