import type { AccessPolicy, Decision, Effect, Facts, SessionPolicy, Stage } from "../../access/policy.ts";
import { isPromise, type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import { parseMilters, type Unasked, unasked, type UnaskedVerdict } from "../../milter/default_action.ts";
import type { OpenMaps, OpenTables } from "../../rewrite/open_tables.ts";
import { replyText } from "../../smtp/reply.ts";

/** The parameters that say which filters smtpd would ask. */
export const MILTER_DEMANDS = [
  "smtpd_milters",
  "smtpd_milter_maps",
] as const satisfies readonly ParameterName[];

/** The parameters that say what comes of filters that cannot be asked. */
export const MILTER_PARAMETERS = [
  "milter_default_action",
  "receive_override_options",
] as const satisfies readonly ParameterName[];

type MilterSettings = SettingsOf<typeof MILTER_PARAMETERS> & SettingsOf<typeof MILTER_DEMANDS>;

/**
 * The policy of a service with milters (smtpd_milters): they are not spoken to yet, so what Postfix does when their socket is
 * unreachable is done here, at the same commands and with the same words (milter_default_action).
 */
export function withUnaskedMilters(
  policy: AccessPolicy,
  settings: MilterSettings,
  openTables: OpenTables,
): AccessPolicy {
  if (splitList(settings.receive_override_options).includes("no_milters")) return policy;
  const general = unaskedOf(settings.smtpd_milters, settings);
  const maps = openTables.maps(settings.smtpd_milter_maps, "smtpd_milter_maps");
  if (general === undefined && maps === undefined) return policy;
  const forClient = (address: string): MaybeAsync<Unasked> =>
    maps === undefined ? general ?? NONE : byClient(maps, address, general ?? NONE, settings);
  return { ...policy, open: () => new FilteredSession(policy.open(), forClient) };
}

const NONE: Unasked = { verdict: { is: "pass" }, warnings: [] };

function unaskedOf(text: string, { milter_default_action }: MilterSettings): Unasked | undefined {
  const milters = parseMilters(text, milter_default_action);
  return milters.length === 0 ? undefined : unasked(milters);
}

/** The filters of one client: DISABLE for none (smtpd_milter_maps). Where the table fails, the general ones. */
function byClient(
  maps: OpenMaps,
  address: string,
  general: Unasked,
  settings: MilterSettings,
): MaybeAsync<Unasked> {
  return then(maps.whole.find(address), (answer): Unasked => {
    if (answer.is === "absent") return general;
    if (answer.is === "trouble") {
      return { ...general, warnings: [answer.why, ...general.warnings] };
    }
    if (answer.value.toUpperCase() === "DISABLE") return NONE;
    return unaskedOf(answer.value, settings) ?? NONE;
  });
}

/** Stages that a milter hears of, and up to which a message is held anew (milter8 events in smtpd). */
const NOTED: ReadonlySet<Stage> = new Set(["CONNECT", "HELO", "EHLO", "MAIL", "RCPT", "DATA"]);
const HELD = { is: "hold", text: "milter triggers HOLD action" } as const satisfies Effect;

class FilteredSession implements SessionPolicy {
  readonly #inner: SessionPolicy;
  readonly #forClient: (address: string) => MaybeAsync<Unasked>;
  #unasked = NONE;

  constructor(inner: SessionPolicy, forClient: (address: string) => MaybeAsync<Unasked>) {
    this.#inner = inner;
    this.#forClient = forClient;
  }

  /** Refused for good as it connected: no mail will be taken, and the greeting says so. */
  get closed(): boolean {
    const { verdict } = this.#unasked;
    return verdict.is === "refuse" && verdict.reply.code >= 500;
  }

  check: SessionPolicy["check"] = (stage, facts, trace) => {
    const decided = this.#inner.check(stage, facts, trace);
    return isPromise(decided)
      ? decided.then((made) => this.#filter(stage, facts, made))
      : this.#filter(stage, facts, decided);
  };

  #filter(stage: Stage, { client }: Facts, decision: Decision): MaybeAsync<Decision> {
    if (decision.refusal !== undefined || !NOTED.has(stage)) return decision;
    if (stage !== "CONNECT") return filtered(stage, decision, this.#unasked.verdict);
    return then(this.#forClient(client.address), (found) => {
      this.#unasked = found;
      const warnings = [...decision.warnings ?? [], ...found.warnings];
      return filtered(stage, { ...decision, warnings }, found.verdict);
    });
  }
}

/** Refusals are logged as they come, and answered at MAIL: until then a milter's word is kept (smtpd(8)). */
function filtered(stage: Stage, decision: Decision, verdict: UnaskedVerdict): Decision {
  switch (verdict.is) {
    case "pass":
      return decision;
    case "hold":
      return {
        ...decision,
        effects: [...decision.effects, HELD],
        notes: [...decision.notes, { verb: "milter-hold", text: HELD.text }],
      };
    case "refuse":
      return {
        ...decision,
        notes: [...decision.notes, { verb: "milter-reject", text: replyText(verdict.reply) }],
        ...(stage === "MAIL" &&
          { refusal: verdict.reply, refusedBy: "smtpd_milters", logged: true as const }),
      };
  }
}
