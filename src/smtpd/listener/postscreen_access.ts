import type { AskLists } from "./postscreen_dnsbl.ts";
import type { AccessPolicy, Decision, SessionPolicy } from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { Log } from "../../observe/log.ts";
import { type OpenTables, parentMatches } from "../../rewrite/open_tables.ts";
import { refuse, type Reply, type Status } from "../../smtp/reply.ts";

/** The parameters of postscreen's permanent lists. */
export const POSTSCREEN_ACCESS_PARAMETERS = [
  "postscreen_access_list",
  "postscreen_denylist_action",
  "mynetworks",
  "parent_domain_matches_subdomains",
] as const satisfies readonly ParameterName[];

type PostscreenSettings = SettingsOf<typeof POSTSCREEN_ACCESS_PARAMETERS>;

/** Parameters by which postscreen demands TLS of its clients. */
export const POSTSCREEN_TLS_PARAMETERS = [
  "postscreen_tls_security_level",
  "postscreen_enforce_tls",
] as const satisfies readonly ParameterName[];

/** Whether postscreen would not let a client through without TLS. */
export function postscreenDemandsTls(settings: SettingsOf<typeof POSTSCREEN_TLS_PARAMETERS>): boolean {
  const level = settings.postscreen_tls_security_level;
  return level === "" ? settings.postscreen_enforce_tls : level !== "none" && level !== "may";
}

/** What the list says of a client; the rest of it is passed over when a table fails or a word is unknown. */
type Verdict = "permit" | "reject" | "dunno";

/**
 * The policy of an smtpd behind postscreen: clients that postscreen_access_list rejects, or that are on blocklists, are turned
 * away at once (drop) or at RCPT (enforce), as postscreen_denylist_action and postscreen_dnsbl_action say; `ignore` only logs them.
 */
export function behindPostscreen(
  policy: AccessPolicy,
  settings: PostscreenSettings,
  openTables: OpenTables,
  log: Log,
  askLists?: AskLists,
): AccessPolicy {
  const judge = openList(settings, openTables, (text) => log.note("postscreen", "warning", text));
  const screen = (address: string, port: number): MaybeAsync<Turned | undefined> =>
    then(judge(address), (verdict) => {
      if (verdict === "reject") {
        log.note("postscreen", "info", `DENYLISTED [${address}]:${port}`);
        return turned(settings.postscreen_denylist_action, "5.3.2", "Service currently unavailable");
      }
      if (verdict === "permit" || askLists === undefined) return undefined;
      return askLists(address).then((blocked) => {
        if (blocked === undefined) return undefined;
        log.note("postscreen", "info", `DNSBL rank ${blocked.rank} for [${address}]:${port}`);
        const text = `Service unavailable; client [${address}] blocked using ${blocked.using}`;
        return turned(blocked.action, "5.7.1", text);
      });
    });
  return { ...policy, open: () => new ScreenedSession(policy.open(), screen) };
}

/** How a client is turned away: at once, or at each RCPT. */
interface Turned {
  readonly at: "CONNECT" | "RCPT";
  readonly reply: Reply;
}

function turned(action: string, status: Status<5>, text: string): Turned | undefined {
  switch (action.toLowerCase()) {
    case "drop":
      return { at: "CONNECT", reply: refuse(521, status, text) };
    case "enforce":
      return { at: "RCPT", reply: refuse(550, status, text) };
    default:
      return undefined;
  }
}

class ScreenedSession implements SessionPolicy {
  readonly #inner: SessionPolicy;
  readonly #screen: (address: string, port: number) => MaybeAsync<Turned | undefined>;
  #turned: Turned | undefined;

  constructor(
    inner: SessionPolicy,
    screen: (address: string, port: number) => MaybeAsync<Turned | undefined>,
  ) {
    this.#inner = inner;
    this.#screen = screen;
  }

  spf: SessionPolicy["spf"] = (facts) => this.#inner.spf(facts);

  check: SessionPolicy["check"] = (stage, facts, trace) => {
    const inner = () =>
      this.#turned?.at === stage ? refusal(this.#turned.reply) : this.#inner.check(stage, facts, trace);
    if (stage !== "CONNECT") return inner();
    return then(this.#screen(facts.peerAddress, facts.client.port), (found) => {
      this.#turned = found;
      return inner();
    });
  };
}

function refusal(reply: Reply): Decision {
  return { refusal: reply, refusedBy: "postscreen", effects: [], notes: [] };
}

type Judge = (address: string) => MaybeAsync<Verdict>;

/** Reads `permit_mynetworks, cidr:/file, reject`; a table's value is such a list in turn. */
function openList(
  settings: PostscreenSettings,
  openTables: OpenTables,
  warn: (text: string) => void,
): Judge {
  const networks = openTables.addresses(settings.mynetworks, {
    parentMatches: parentMatches(settings, "mynetworks"),
    title: "mynetworks",
  });
  const giveUp = (item: string, why: string): Verdict => {
    warn(`postscreen_access_list: ${item}: ${why} -- ignoring the remainder of this access list`);
    return "dunno";
  };
  /** `within` are the tables whose values led to the items. */
  const walk = (
    items: readonly string[],
    address: string,
    within: readonly string[],
  ): MaybeAsync<Verdict | "next"> => {
    const [item, ...rest] = items;
    if (item === undefined) return "next";
    return then(
      judgeItem(item, address, within),
      (found) => found === "next" ? walk(rest, address, within) : found,
    );
  };
  const judgeItem = (
    item: string,
    address: string,
    within: readonly string[],
  ): MaybeAsync<Verdict | "next"> => {
    const word = item.toLowerCase();
    if (word === "permit" || word === "reject" || word === "dunno") return word;
    if (word === "permit_mynetworks") {
      return then(networks?.matches(address), (match) => {
        if (match?.is === "trouble") return giveUp(item, match.why);
        return match?.is === "yes" ? "permit" : "next";
      });
    }
    if (!item.includes(":") || within.includes(item)) {
      return giveUp(within.at(-1) ?? item, `unknown command: ${item}`);
    }
    return then(openTables.table(item).lookup(address), (answer) => {
      if (answer.is === "absent") return "next";
      if (answer.is === "trouble") return giveUp(item, "table lookup error");
      return walk(splitList(answer.value), address, [...within, item]);
    });
  };
  const items = splitList(settings.postscreen_access_list);
  return (address) => then(walk(items, address, []), (found) => found === "next" ? "dunno" : found);
}
