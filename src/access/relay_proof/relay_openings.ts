import { parseIp } from "../../address/ip.ts";
import { contains, formatNetwork, type Network } from "../../address/network.ts";
import { isPromise } from "../../base/maybe_async.ts";
import type { Possible, Table } from "../../table/table.ts";
import { actionVerdict } from "../table/access_action.ts";
import type { Facts } from "../policy.ts";
import type { ProofInput } from "./proof_input.ts";
import { PUBLIC_V4, PUBLIC_V6 } from "./wide_networks.ts";
import { namesOfStranger, type OutsideClient, SPF_LABEL, SPF_RECORDS } from "./relay_session.ts";
import type { AskedAbout, Query, RestrictionList, Stated, Subject, Want } from "../restriction.ts";
import { OWN_CERTIFICATE } from "../relay_effect.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/**
 * How sure a way in is: open to any stranger; open to those whom the operator has named; or nobody can tell beforehand.
 */
export type Certainty = "open" | Stated | "unknown";

/** An entry of an access table that lets somebody through. */
export interface Opening {
  readonly certainty: Certainty;
  /** Sessions that should get through by it; the first that does is as good as the others. */
  readonly wants: readonly Want[];
  readonly text: string;
  /** The entry names restrictions, which decide in the end. */
  readonly list?: RestrictionList;
}

/** Openings of one table that are looked into; the others are counted. */
const MOST_OPENINGS = 40;
/** How often the clock is looked at while a table is read. */
const CLOCK_EVERY = 4096;

/** What the entries of an access table can do for a stranger (access(5)). */
export function openingsOf(spec: string, about: AskedAbout, input: ProofInput): Opening[] {
  const table = input.restrictionDeps.openTables.table(spec);
  const effects = effectsOf(spec, input);
  let read = 0;
  let late = false;
  const wanted = (value: string) => {
    if (++read % CLOCK_EVERY === 0) late ||= !input.hasTime();
    return late || effects(value) !== "none";
  };
  const possible = table.possible?.(wanted);
  if (possible === undefined) {
    return [{ certainty: "unknown", wants: [], text: "its entries cannot be read beforehand" }];
  }
  const found: Opening[] = [];
  const counts = { open: 0, surely: 0, loosely: 0, unknown: 0 };
  for (const each of possible) {
    if (each.is === "pattern") late ||= !input.hasTime(); // each is tried against guesses
    const matters = wanted(each.value) || isVarying(each);
    if (late) {
      return [...found, {
        certainty: "unknown",
        wants: [],
        text: `only the first ${read} entries were read`,
      }];
    }
    const effect = isVarying(each) ? "varies" : effects(each.value);
    const opening = matters && effect !== "none" ? openingOf(each, effect, about, table, input) : undefined;
    if (opening !== undefined && ++counts[opening.certainty] <= MOST_OPENINGS) {
      found.push(withLine(opening, each, table, found.length));
    }
    if (isForAll(each)) break;
  }
  return found;
}

/** The value holds parts of the key: anything may come of it. */
function isVarying(possible: Possible): boolean {
  return possible.is === "pattern" && possible.varies;
}

/** Patterns that match every key: what stands behind them is dead. (Of a flag that changes what `+` means nothing is known.) */
const UNIVERSAL = /^\/(?:\^?(?:\.[*+]?)?|(?:\.[*+]?)?\$|\^\.[*+]\$)\/[ims]*$/;

function isForAll(possible: Possible): boolean {
  if (possible.is === "any") return true;
  return possible.is === "pattern" && !possible.inside && UNIVERSAL.test(possible.pattern);
}

type Effect = "none" | "permits" | "varies" | RestrictionList;

/** What a result does; results repeat, so each text is looked at once. */
function effectsOf(spec: string, { restrictionDeps, outsider }: ProofInput): (value: string) => Effect {
  const known = new Map<string, Effect>();
  const about: Subject = { name: outsider.name, class: "Sender address" };
  const query: Query = {
    facts: someFacts(outsider),
    stage: "RCPT",
    about,
    resolve: () => UNRESOLVED,
    spf: () => undefined,
  };
  return (value) => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const verdict = actionVerdict(
      { table: spec, value, datum: "", about, query },
      restrictionDeps.actions,
      undefined,
    );
    const permit = verdict.is === "permit" ||
      (verdict.is === "act" && verdict.permit !== undefined && verdict.effect?.is !== "discard");
    const effect = verdict.is === "apply" ? verdict.list : permit ? "permits" : "none";
    if (known.size < CLOCK_EVERY) known.set(value, effect);
    return effect;
  };
}

const UNRESOLVED = { is: "trouble", why: "nothing is resolved while tables are read" } as const;

function someFacts({ address, name }: OutsideClient): Facts {
  return {
    service: "smtp",
    client: { address, port: 0, name, reverseName: name, nameStatus: 2, reverseNameStatus: 2 },
    server: { address: "", port: 25 },
    peerAddress: address,
    protocol: "ESMTP",
    sender: "",
    recipientCount: 0,
    size: 0,
  };
}

function openingOf(
  possible: Possible,
  effect: Exclude<Effect, "none">,
  about: AskedAbout,
  table: Table,
  input: ProofInput,
): Opening | undefined {
  const where = possible.line === undefined ? "" : `line ${possible.line}: `;
  const text = `${where}${keyText(possible)} ${possible.value}`;
  const list = typeof effect === "string" ? undefined : effect;
  const found = effect === "varies"
    ? { certainty: "unknown" as const, wants: [] }
    : whoPasses(possible, about, table, input);
  return found === undefined ? undefined : { ...found, text, ...(list !== undefined && { list }) };
}

/** Whoever reads the first few entries wants to find them. */
const MOST_LINES = 3;

function withLine(opening: Opening, possible: Possible, table: Table, before: number): Opening {
  if (possible.is !== "key" || possible.line !== undefined || before >= MOST_LINES) return opening;
  const line = table.lineOf?.(possible.key);
  return line === undefined ? opening : { ...opening, text: `line ${line}: ${opening.text}` };
}

function keyText(possible: Possible): string {
  switch (possible.is) {
    case "key":
      return possible.key;
    case "network":
      return `${possible.negative ? "!" : ""}${formatNetwork(possible.network)}`;
    case "pattern":
      return possible.pattern;
    case "any":
      return "(every key)";
  }
}

type Passing = Pick<Opening, "certainty" | "wants">;

const open = (...wants: Want[]): Passing => ({ certainty: "open", wants });
const stated = (certainty: Stated, ...wants: Want[]): Passing => ({ certainty, wants });
const UNTOLD: Passing = { certainty: "unknown", wants: [] };

/** Who gets through by an entry; undefined: nobody who is a stranger. */
function whoPasses(
  possible: Possible,
  about: AskedAbout,
  table: Table,
  input: ProofInput,
): Passing | undefined {
  // No permit of check_spf_access is a leave to relay: it counts where an @domain key does.
  if (about === "spf" && !input.atDomainCounts) return undefined;
  switch (possible.is) {
    case "any":
      return about === "certificate" ? open({ tls: OWN_CERTIFICATE }) : open({});
    case "network":
      return about === "client" ? byNetwork(possible.network, possible.negative, input) : undefined;
    case "key":
      return BY_KEY[about](possible.key, input);
    case "pattern":
      return byPattern(possible, about, table, input);
  }
}

/** A network this size is no longer one that somebody knows. */
const WIDE = { 4: 7, 6: 16 } as const;

function byNetwork(network: Network, negative: boolean, { outsider }: ProofInput): Passing | undefined {
  const ip = parseIp(outsider.address);
  if (negative) {
    const outside = ip !== undefined && ip.family === network.family && !contains(network, ip);
    return outside ? open({}) : UNTOLD;
  }
  if (network.length > WIDE[network.family]) return stated("surely");
  const inside = [...PUBLIC_V4, ...PUBLIC_V6].find((address) => {
    const candidate = parseIp(address);
    return candidate !== undefined && contains(network, candidate);
  });
  return inside === undefined ? stated("surely") : open({ client: { address: inside } });
}

/** An address or its leading part; a lone group of IPv6, such as `fd00`, is no top-level domain where it has a digit. */
const IS_ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){0,3}|[0-9a-f]*:[0-9a-f:.]*|(?=[a-f]*\d)[0-9a-f]{1,4})$/i;

const BY_KEY: Readonly<Record<AskedAbout, (key: string, input: ProofInput) => Passing | undefined>> = {
  certificate: () => stated("surely"),
  client: (key, { restrictionDeps, outsider }) => {
    if (IS_ADDRESS.test(key)) return stated("surely");
    if (key === "unknown") return open({ client: { name: "unknown", nameStatus: 5 } });
    const top = topLevel(key, restrictionDeps);
    return top === undefined
      ? stated("surely")
      : open({ client: { name: `mail.${outsider.domain.replace(/\.[^.]*$/, top)}` } });
  },
  helo: (key) => open({ helo: key.startsWith(".") ? `mail${key}` : key }),
  sender: (key, { restrictionDeps, outsider, atDomainCounts }) => {
    if (key === restrictionDeps.settings.smtpd_null_access_lookup_key) return open({ sender: "" });
    if (key.startsWith("@")) return atDomainCounts ? open({ sender: `someone${key}` }) : undefined;
    return bySender(key, outsider.domain);
  },
  spf: (key, { outsider }) => {
    const [word = "", domain] = key.split(":");
    if (domain === undefined) return open({ sender: spfSender(word, outsider.domain) });
    // Who passes for a domain, the domain has named; what else comes of it nobody can tell.
    return word === "pass" ? stated("surely") : UNTOLD;
  },
  recipient: (key, { restrictionDeps, foreign, outsider, atDomainCounts, isOurs, namedRecipient }) => {
    if (key.startsWith("@")) {
      return atDomainCounts ? stated(namedRecipient, { recipient: `victim${key}` }) : undefined;
    }
    if (key.endsWith("@")) return open({ recipient: `${key}${domainOf(foreign)}` });
    if (key.includes("@")) return isOurs(key) ? undefined : stated(namedRecipient, { recipient: key });
    const top = topLevel(key, restrictionDeps);
    if (top !== undefined) return open({ recipient: `victim@${outsider.domain.replace(/\.[^.]*$/, top)}` });
    const named = key.startsWith(".") ? `victim@host${key}` : `victim@${key}`;
    if (!isOurs(named)) return stated(namedRecipient, { recipient: named });
    const below = !key.startsWith(".") && restrictionDeps.lookup.parentMatches &&
      !isOurs(`victim@host.${key}`);
    return below ? stated("surely") : undefined;
  },
};

/** Whose record a stranger can make say anything: his own domain's. */
function spfSender(word: string, ownDomain: string): string {
  return `someone@${word}.${SPF_LABEL}.${ownDomain}`;
}

function bySender(key: string, ownDomain: string): Passing {
  if (key.endsWith("@")) return open({ sender: `${key}${ownDomain}` });
  if (key.includes("@")) return open({ sender: key });
  return open({ sender: key.startsWith(".") ? `someone@host${key}` : `someone@${key}` });
}

/** `.com` of a key for all that ends so; undefined for a key that names a domain somebody owns. */
function topLevel(key: string, { lookup }: RestrictionDeps): string | undefined {
  const bare = key.startsWith(".") ? key.slice(1) : key;
  const matchesBelow = key.startsWith(".") !== lookup.parentMatches;
  return matchesBelow && /^[a-z][a-z0-9-]+$/i.test(bare) && bare !== "localhost" ? `.${bare}` : undefined;
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

const SPF_WORDS = ["none", ...Object.keys(SPF_RECORDS)];

/** Guesses at keys that a pattern matches: those open to anybody come first. Undefined: it matches none but our own recipients. */
function byPattern(
  possible: Possible & { readonly is: "pattern" },
  about: AskedAbout,
  table: Table,
  input: ProofInput,
): Passing | undefined {
  const matches = (key: string) => {
    const answer = table.lookup(key);
    return !isPromise(answer) && answer.is === "found" && answer.value === possible.value;
  };
  const { anybody, named } = GUESSES[about](possible.samples, input);
  const wants = anybody.filter(({ key }) => matches(key)).map(({ want }) => want);
  if (wants.length > 0) return open(...wants.slice(0, MOST_GUESSES));
  const matched = named.filter(({ key }) => matches(key)).map(({ want }) => want);
  if (matched.length === 0) return UNTOLD;
  if (about === "client") return stated("surely", matched[0]!);
  const foreign = matched.filter(({ recipient }) => recipient !== undefined && !input.isOurs(recipient));
  return foreign.length === 0 ? undefined : stated(input.namedRecipient, ...foreign.slice(0, MOST_GUESSES));
}

/** Guesses that are tried of those that a pattern matches. */
const MOST_GUESSES = 3;

interface Guess {
  readonly key: string;
  readonly want: Want;
}

interface Guesses {
  readonly anybody: readonly Guess[];
  /** Whoever the pattern names: a guess that needs somebody else's domain. */
  readonly named: readonly Guess[];
}

const sender = (key: string): Guess => ({ key, want: { sender: key } });
const recipient = (key: string): Guess => ({ key, want: { recipient: key } });
const helo = (key: string): Guess => ({ key, want: { helo: key } });
const clientName = (key: string): Guess => ({ key, want: { client: { name: key } } });

const GUESSES: Readonly<Record<AskedAbout, (samples: readonly string[], input: ProofInput) => Guesses>> = {
  certificate: () => {
    const { fingerprint = "", publicKeyFingerprint = "" } = OWN_CERTIFICATE.peer ?? {};
    const want = { tls: OWN_CERTIFICATE };
    return { anybody: [fingerprint, publicKeyFingerprint].map((key) => ({ key, want })), named: [] };
  },
  helo: (samples, { outsider: { name } }) => ({
    anybody: [name, ...samples.flatMap((text) => [text, `${text}${name}`, `mail.${text}`])].map(helo),
    named: [],
  }),
  spf: (_samples, { outsider: { domain } }) => ({
    anybody: SPF_WORDS.flatMap((word) => {
      const sender = spfSender(word, domain);
      return [word, `${word}:${sender.slice(sender.indexOf("@") + 1)}`].map((key) => ({
        key,
        want: { sender },
      }));
    }),
    named: [],
  }),
  sender: (samples, { outsider: { domain } }) => ({
    anybody: [
      `someone@${domain}`,
      ...samples.flatMap((text) =>
        addresses(text, domain).concat(addresses(text, `x.${text.replace(/^.*@/, "")}`))
      ),
    ].map(sender),
    named: [],
  }),
  recipient: (samples, { foreign }) => {
    const domain = domainOf(foreign);
    return {
      anybody: [foreign, ...samples.flatMap((text) => foreignForms(text, domain))].map(recipient),
      named: samples.flatMap((text) => addresses(text, text.replace(/^.*@/, ""))).map(recipient),
    };
  },
  client: (samples, { outsider: { name, domain, address } }) => ({
    anybody: [
      { key: "unknown", want: { client: { name: "unknown", nameStatus: 5 as const } } },
      clientName(name),
      { key: address, want: {} },
      ...samples.flatMap((text) => namesOfStranger(text, domain)).map(clientName),
    ],
    named: samples.flatMap((text) => [text, `mail${text}`, `${text}1`, `${text}.1.1`].map(clientName)),
  }),
};

/** Addresses that a text may be, or be part of. */
function addresses(text: string, domain: string): string[] {
  if (text.includes("@")) {
    return [text, `a${text}`, `${text}${domain}`, `a${text}${domain}`, `${text}.${domain}`];
  }
  return [`a@${text}`, `${text}@${domain}`, `a${text}@${domain}`, `a@${text}.${domain}`, `a@x${text}`];
}

/** Addresses of a domain with the text before the domain, where anybody's mailbox may have it. */
function foreignForms(text: string, domain: string): string[] {
  const local = text.replace(/[@%!]/g, "");
  return [`${text}${domain}`, `${local}@${domain}`, `victim+${local}@${domain}`, `${local}.victim@${domain}`];
}
