import { type Address, NULL_ADDRESS } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Recipient } from "../queue/envelope.ts";
import { type AddressFormSettings, type ContextName, createAddressForm } from "./address_form.ts";
import { canonicalAddress } from "./canonical.ts";
import {
  expandRecipients,
  type ExpandSettings,
  type Expansion,
  type ExpansionOptions,
} from "./expand_recipients.ts";
import { createFindAddress, type ExtensionSettings, type FindAddress } from "./find_address.ts";
import type { LocalDomains } from "./local_domains.ts";
import { isTrouble, mapAddress, type MapTrouble } from "./map_address.ts";
import { createMasquerade, type MasqueradeSettings } from "./masquerade.ts";
import type { OpenMaps, OpenTables } from "./open_tables.ts";
import type { Srs } from "./srs.ts";

/** The parameters of the rewriter itself. */
export const REWRITE_PARAMETERS = [
  "canonical_maps",
  "canonical_classes",
  "sender_canonical_maps",
  "sender_canonical_classes",
  "recipient_canonical_maps",
  "recipient_canonical_classes",
  "masquerade_classes",
  "propagate_unmatched_extensions",
  "virtual_alias_maps",
  "sender_bcc_maps",
  "recipient_bcc_maps",
] as const satisfies readonly ParameterName[];

/** The settings that rewriting depends on. */
export type RewriteSettings =
  & AddressFormSettings
  & ExtensionSettings
  & MasqueradeSettings
  & ExpandSettings
  & SettingsOf<typeof REWRITE_PARAMETERS>;

/** Which of a message's addresses is at hand, by the words of canonical_classes. */
export type AddressRole = "envelope_sender" | "envelope_recipient" | "header_sender" | "header_recipient";

/** An address after rewriting, or why it could not be had: then the message is refused for now. */
export type Rewritten = Address | MapTrouble;

/** Rewrites the addresses of messages (cleanup(8), ADDRESS_REWRITING_README). All addresses are in internal form. */
export interface Rewriter {
  /** The standard form user@full.domain alone, without tables (trivial-rewrite(8)). */
  standardForm(address: string, context: ContextName): Address;
  /** Standard form, canonical tables, masquerading; our own MAILER-DAEMON becomes the null sender. */
  envelopeSender(address: string, options?: Pick<ExpansionOptions, "noMappings">): MaybeAsync<Rewritten>;
  /**
   * Standard form, canonical tables, masquerading; an empty address becomes empty_address_recipient. Before the tables an address that
   * came back to srs_domain becomes the sender that it stands for.
   */
  envelopeRecipient(address: string): MaybeAsync<Rewritten>;
  /**
   * An address of a header. In the remote context headers are rewritten only when remote_header_rewrite_domain is set: ask
   * `rewritesHeaders` first.
   */
  header(
    role: "header_sender" | "header_recipient",
    address: string,
    context: ContextName,
  ): MaybeAsync<Rewritten>;
  rewritesHeaders(context: ContextName): boolean;
  /**
   * All recipients of a message: rewritten, with their automatic copies, aliases expanded, duplicates dropped. `sender` is
   * the rewritten one. The original of each stays with what became of it.
   */
  expandRecipients(
    sender: string,
    recipients: readonly Recipient[],
    options?: ExpansionOptions,
  ): MaybeAsync<Expansion>;
  /** Lookup as in virtual(5) and canonical(5), for tables of other rooms (generic, relocated, login maps). */
  readonly find: FindAddress;
}

/** Builds the rewriting of one configuration. */
export function createRewriter(
  settings: RewriteSettings,
  local: LocalDomains,
  openTables: OpenTables,
  srs?: Srs,
): Rewriter {
  const form = createAddressForm(settings);
  const find = createFindAddress(settings, local);
  const propagates = new Set(splitList(settings.propagate_unmatched_extensions));
  const stepsOf = createSteps(settings, openTables, (maps) => {
    const map = (address: Address) => mapAddress(find, form, maps, address, propagates.has("canonical"));
    return (address) => canonicalAddress(address, map);
  });
  const steps: Readonly<Record<AddressRole, readonly Step[]>> = {
    envelope_sender: stepsOf("envelope_sender"),
    envelope_recipient: stepsOf("envelope_recipient"),
    header_sender: stepsOf("header_sender"),
    header_recipient: stepsOf("header_recipient"),
  };
  const daemon = form.rewrite("MAILER-DAEMON", "local").toLowerCase();
  const fullRecipient = (address: string) =>
    form.rewrite(address === "" ? settings.empty_address_recipient : address, "local");
  const envelopeRecipient = (address: string) =>
    runSteps(steps.envelope_recipient, returned(fullRecipient(address), srs));
  const aliases = openTables.maps(settings.virtual_alias_maps, "virtual_alias_maps");
  const tools = {
    settings,
    envelopeRecipient,
    standardForm: fullRecipient,
    alias: aliases === undefined
      ? undefined
      : (address: string) => mapAddress(find, form, aliases, address, propagates.has("virtual")),
    senderBcc: bccLookup(find, openTables.maps(settings.sender_bcc_maps, "sender_bcc_maps")),
    recipientBcc: bccLookup(find, openTables.maps(settings.recipient_bcc_maps, "recipient_bcc_maps")),
  };
  return {
    find,
    standardForm: (address, context) => form.rewrite(address, context),
    envelopeSender(address, options = {}) {
      const full = form.rewrite(address, "local");
      if (full === "" || full.toLowerCase() === daemon) return NULL_ADDRESS;
      return options.noMappings === true ? full : runSteps(steps.envelope_sender, full);
    },
    envelopeRecipient,
    header: (role, address, context) =>
      address === "" ? NULL_ADDRESS : runSteps(steps[role], form.rewrite(address, context)),
    rewritesHeaders: (context) => context === "local" || settings.remote_header_rewrite_domain !== "",
    expandRecipients: (sender, recipients, options = {}) =>
      expandRecipients(sender, recipients, options, tools),
  };
}

/** Whom an address stands for that came back; one that stands for nobody is the router's to refuse. */
function returned(address: Address, srs: Srs | undefined): Address {
  const back = srs?.reverse(address);
  return back?.is === "address" ? back.address : address;
}

type Step = (address: Address) => MaybeAsync<Rewritten>;

function runSteps(steps: readonly Step[], address: Address, from = 0): MaybeAsync<Rewritten> {
  if (from >= steps.length) return address;
  return then(steps[from]!(address), (next) => isTrouble(next) ? next : runSteps(steps, next, from + 1));
}

/** The tables that apply to each role: the one for senders or recipients, the common one, masquerading. */
function createSteps(
  settings: RewriteSettings,
  openTables: OpenTables,
  canonical: (maps: OpenMaps) => Step,
): (role: AddressRole) => readonly Step[] {
  const table = (text: string, title: string, classes: string) => {
    const maps = openTables.maps(text, title);
    return { step: maps === undefined ? undefined : canonical(maps), classes: new Set(splitList(classes)) };
  };
  const ordered = [
    table(settings.sender_canonical_maps, "sender_canonical_maps", settings.sender_canonical_classes),
    table(
      settings.recipient_canonical_maps,
      "recipient_canonical_maps",
      settings.recipient_canonical_classes,
    ),
    table(settings.canonical_maps, "canonical_maps", settings.canonical_classes),
    {
      step: createMasquerade(settings, openTables),
      classes: new Set(splitList(settings.masquerade_classes)),
    },
  ];
  return (role) =>
    ordered.flatMap(({ step, classes }) => step !== undefined && classes.has(role) ? [step] : []);
}

/** Address of an automatic copy, or undefined (sender_bcc_maps, recipient_bcc_maps). */
export type BccLookup = (address: string) => MaybeAsync<string | undefined | MapTrouble>;

function bccLookup(find: FindAddress, maps: OpenMaps | undefined): BccLookup | undefined {
  if (maps === undefined) return undefined;
  return (address) =>
    then(find(maps, address), ({ answer }) => {
      if (answer.is === "trouble") return { trouble: `${maps.title} map lookup problem: ${answer.why}` };
      return answer.is === "found" ? answer.value : undefined;
    });
}
