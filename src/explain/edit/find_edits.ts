import type { ClientFacts } from "../../access/policy.ts";
import type { ConfigEditor, LineEdit } from "./config_edit.ts";
import type { Edit } from "./edit.ts";
import type { ExplainedCommand, ExplainedStep, Lookup } from "../explanation.ts";
import { meaningOf } from "../outcome.ts";
import { KNOWS_CLIENT, MAY_PERMIT, ownKey, type TableEditor } from "./table_edits.ts";
import { matchOf, refusingPath, type StepPath, stepPathsOf } from "../watch/step_path.ts";

/** What edits are looked for with. */
export interface Editors {
  readonly tables: TableEditor;
  readonly configuration: ConfigEditor;
  readonly client: ClientFacts;
  /** The recipient is none of ours: what a client can forge must not let mail to it pass. */
  readonly foreign: boolean;
}

const RELAY = /^(?:(?:reject|defer)_unauth_destination|check_relay_domains)$/i;
const UNLISTED = /^(?:reject_unlisted_(?:sender|recipient)|check_recipient_maps)$/i;
/** To warn instead of refusing by these would mean to refuse nobody. */
const NEVER_WARN =
  /^(?:reject|defer|permit|reject_unlisted_\w+|(?:reject|defer)_unauth_destination|check_relay_domains)$/i;

/**
 * Edits that may turn the answer to a command round: first those of a table's line, then those of a parameter, which mean more.
 * They have to be tried.
 */
export function findEdits(command: ExplainedCommand, editors: Editors): Edit[][] {
  const found = meaningOf(command) === "permit" ? toRefuse(command, editors) : toPermit(command, editors);
  return found.map((tier) => tier.filter((edit) => edit !== undefined));
}

type Found = (Edit | undefined)[];

function toPermit(command: ExplainedCommand, editors: Editors): Found[] {
  const refusing = refusingPath(command);
  if (refusing === undefined) return [toEnlarge(command, editors)];
  const before = trailsBefore(command, refusing);
  return [
    [
      ...[refusing.step, ...refusing.into.toReversed()].flatMap((step) => exceptions(step, editors)),
      ...knownAddress(refusing, editors),
      ...earlierTables(before, editors),
    ],
    [
      ...warnOnly(refusing, editors),
      ...permitFirst(refusing, editors),
      ...trust(refusing, before, editors),
    ],
  ];
}

/** The steps of the refusing step's own parameter that came before it, the nearest first. */
function trailsBefore(command: ExplainedCommand, refusing: StepPath): StepPath[] {
  const paths = stepPathsOf(command);
  const at = paths.findIndex(({ step }) => step === refusing.step);
  return paths.slice(0, at).filter(({ lists, step }) =>
    lists[0] === refusing.lists[0] && !refusing.into.includes(step)
  )
    .reverse();
}

/** The table entry that refuses, or leads to the refusal, less; or an exception to it, where it means more than this one. */
function exceptions(step: ExplainedStep, { tables, client, foreign }: Editors): Found {
  const match = matchOf(step);
  if (match === undefined) return [];
  const own = ownKey(step, client.address);
  const exact = own === match.key && tables.isKeyed(match.source);
  const add = (value: string) =>
    own === undefined || exact ? undefined : tables.add(match.source, own, value, match.line);
  const permits = (foreign ? KNOWS_CLIENT : MAY_PERMIT).test(step.restriction);
  return [add("DUNNO"), permits ? add("OK") : undefined, tables.remove(match)];
}

/** An address that is in none of the tables of known ones. */
function knownAddress({ step }: StepPath, { tables }: Editors): Found {
  if (!UNLISTED.test(step.restriction)) return [];
  const absent = step.lookups.filter(({ kind, answer, trouble, source }) =>
    kind === "table" && answer === undefined && trouble === undefined && tables.isEditable(source)
  );
  const specs = [...new Set(absent.map(({ source }) => source))].reverse();
  const kind = step.lookups.find((lookup) => lookup.kind === "class")?.answer ?? "";
  return specs.flatMap((spec) => {
    const keys = absent.filter(({ source }) => source === spec).map(({ key }) => key);
    const bare = keys.find((key) => !key.includes("@"));
    const key = kind.startsWith("local") && bare !== undefined ? bare : keys[0];
    return key === undefined ? [] : [tables.add(spec, key, valueFor(kind, key))];
  });
}

/** What such a table says of an address that exists. */
function valueFor(kind: string, key: string): string {
  if (kind.startsWith("relay")) return "OK";
  const [local = key, domain = ""] = key.split("@");
  return kind.startsWith("virtual mailbox") ? `${domain}/${local}/` : "postmaster";
}

/** Access tables that were asked before and had nothing to say. For a foreign recipient only those by who the client is. */
function earlierTables(before: readonly StepPath[], { tables, client, foreign }: Editors): Found {
  return before.flatMap(({ step }) => {
    if (!(foreign ? KNOWS_CLIENT : MAY_PERMIT).test(step.restriction)) return [];
    if (matchOf(step) !== undefined) return [];
    const key = ownKey(step, client.address);
    const spec = step.restriction.slice(step.restriction.indexOf(" ") + 1);
    return key === undefined ? [] : [tables.add(spec, key, "OK")];
  });
}

/** Trust in the client, or in the recipient's domain. */
function trust(refusing: StepPath, before: readonly StepPath[], { configuration, client }: Editors): Found {
  const { step } = refusing;
  const domain = foreignDomain(step);
  const networks = before.some((each) => /^permit_mynetworks$/i.test(each.step.restriction));
  return [
    domain === undefined || !RELAY.test(step.restriction) ? undefined : inWords(
      configuration.append("relay_domains", domain),
      `add ${domain} to relay_domains`,
      `only if mail for ${domain} is this server's to pass on: it will then be taken from anybody`,
    ),
    networks
      ? inWords(
        configuration.append(
          "mynetworks",
          client.address.includes(":") ? `[${client.address}]` : client.address,
        ),
        `add ${client.address} to mynetworks`,
        "this client may then send to anybody in the world",
      )
      : undefined,
  ];
}

/** The domain of a recipient that is none of ours. */
function foreignDomain({ lookups }: ExplainedStep): string | undefined {
  const found = lookups.find(({ kind, answer }) =>
    kind === "class" && answer?.startsWith("default") === true
  );
  const domain = found?.key.slice(found.key.lastIndexOf("@") + 1);
  return domain === "" ? undefined : domain;
}

function warnOnly({ lists, step }: StepPath, { configuration }: Editors): Found {
  const list = lists.at(-1)!;
  const name = step.restriction.replace(/ .*/s, "");
  if (NEVER_WARN.test(name) || list.place === undefined) return [];
  return [inWords(
    configuration.insertBefore(list.name, name, nthOf(step, list.steps), "warn_if_reject "),
    `let ${step.restriction} only warn`,
    "nobody is refused by it any more",
  )];
}

/** Which of the items of that name a step is, counting from 0. */
function nthOf(step: ExplainedStep, steps: readonly ExplainedStep[]): number {
  const name = step.restriction.replace(/ .*/s, "");
  return steps.slice(0, steps.indexOf(step)).filter((each) => each.restriction.replace(/ .*/s, "") === name)
    .length;
}

/** A permit for this client, right before the restriction that refuses. */
function permitFirst({ lists, step }: StepPath, { configuration, client }: Editors): Found {
  const list = lists.at(-1)!;
  const name = step.restriction.replace(/ .*/s, "");
  if (list.place === undefined || RELAY.test(name) || UNLISTED.test(name)) return [];
  const exception = `check_client_access inline:{${client.address}=OK}, `;
  if (client.address.includes(":")) return [];
  return [inWords(
    configuration.insertBefore(list.name, name, nthOf(step, list.steps), exception),
    `permit this client before ${name} in ${list.name}`,
    `nothing behind it in ${list.name} holds for this client any more`,
  )];
}

/** No restriction refused: a limit did. */
function toEnlarge({ command, reply }: ExplainedCommand, { configuration }: Editors): Found {
  const size = /^MAIL .* SIZE=(\d+)/.exec(command)?.[1];
  if (size === undefined || !reply.some((line) => line.startsWith("552 "))) return [];
  return [
    inWords(configuration.set("message_size_limit", size), `set message_size_limit to ${size} or more`),
  ];
}

function inWords(found: LineEdit | undefined, edit: string, caution?: string): Edit | undefined {
  if (found === undefined) return undefined;
  return { edit, ...found, then: ["mta reload"], ...(caution !== undefined && { caution }) };
}

function toRefuse(command: ExplainedCommand, editors: Editors): Found[] {
  const { tables, configuration, client } = editors;
  const paths = stepPathsOf(command).reverse();
  const permits = paths.flatMap(({ step }) => step.verdict === "permit" ? [matchOf(step)] : []);
  const asked = paths.filter(({ step }) => MAY_PERMIT.test(step.restriction));
  const recipient = /^RCPT TO:<(.*)>/.exec(command.command)?.[1];
  const lines = [
    ...permits.map((match: Lookup | undefined) => match === undefined ? undefined : tables.remove(match)),
    ...asked.map(({ step }) => {
      const key = ownKey(step, client.address);
      const spec = step.restriction.slice(step.restriction.indexOf(" ") + 1);
      return key === undefined || matchOf(step)?.key === key ? undefined : tables.add(spec, key, "REJECT");
    }),
  ];
  return [lines, [
    recipient === undefined || /[\s{},=$]/.test(recipient) ? undefined : inWords(
      configuration.prepend(
        "smtpd_recipient_restrictions",
        `check_recipient_access inline:{${recipient}=REJECT}`,
      ),
      `refuse ${recipient} at the head of smtpd_recipient_restrictions`,
    ),
  ]];
}
