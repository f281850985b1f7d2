import { type Address, originalRecipient } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { NOTIFY, type Recipient } from "../queue/envelope.ts";
import { inTurn } from "./in_turn.ts";
import { isTrouble, type Mapped, type MapTrouble } from "./map_address.ts";
import { expandAlias, type ExpansionLimits } from "./virtual_alias.ts";

/** The parameters of recipient expansion. */
export const EXPAND_PARAMETERS = [
  "enable_original_recipient",
  "duplicate_filter_limit",
  "empty_address_recipient",
] as const satisfies readonly ParameterName[];

/** The settings of recipient expansion. */
export type ExpandSettings =
  & ExpansionLimits
  & SettingsOf<typeof EXPAND_PARAMETERS>;

/** A copy for an address as it is written in a table or parameter, and what it hears of it (DSN NOTIFY bits). */
export interface Copy {
  readonly address: string;
  readonly notify: number;
}

/** What to leave out (receive_override_options), and copies to add. */
export interface ExpansionOptions {
  /** `no_address_mappings`: no canonical tables, no aliases, no automatic copies. */
  readonly noMappings?: boolean;
  /** No sender_bcc_maps, no recipient_bcc_maps: mail that was made here (always_bcc: "to avoid mailer loops"). */
  readonly noCopies?: boolean;
  /** Copies by always_bcc and the access action BCC. */
  readonly bcc?: readonly Copy[];
}

/** The recipients of a message in the end. */
export type Expansion =
  | {
    readonly is: "recipients";
    readonly recipients: readonly Recipient[];
    /** Aliases that asked for a success notice: reported as "expanded" (RFC 3461 §5.2.7.2). */
    readonly expanded: readonly Recipient[];
  }
  /** `status` and `text` of the 451 reply; `why` for the log. */
  | {
    readonly is: "trouble";
    readonly status: `4.${number}.${number}`;
    readonly text: string;
    readonly why: string;
  };

/** What the expansion asks. */
export interface ExpandTools {
  readonly settings: ExpandSettings;
  readonly alias: ((address: Address) => MaybeAsync<Mapped>) | undefined;
  readonly senderBcc: ((address: string) => MaybeAsync<string | undefined | MapTrouble>) | undefined;
  readonly recipientBcc: ((address: string) => MaybeAsync<string | undefined | MapTrouble>) | undefined;
  envelopeRecipient(address: string): MaybeAsync<Address | MapTrouble>;
  /** The standard form alone. */
  standardForm(address: string): Address;
}

type Trouble = Extract<Expansion, { is: "trouble" }>;

/** Rewrites and expands all recipients of a message, in Postfix's order: copies follow what they are copies of (cleanup(8)). */
export function expandRecipients(
  sender: string,
  recipients: readonly Recipient[],
  options: ExpansionOptions,
  tools: ExpandTools,
): MaybeAsync<Expansion> {
  const plain = options.noMappings === true;
  const run = new Run(tools, { plain, copies: !plain && options.noCopies !== true });
  const steps: readonly (() => MaybeAsync<Trouble | undefined>)[] = [
    () => run.senderCopy(sender),
    () => inTurn<Recipient, Trouble>(recipients, (recipient) => run.recipient(recipient)),
    () => inTurn<Copy, Trouble>(options.bcc ?? [], (copy) => run.copy(copy)),
  ];
  return then(inTurn(steps, (step) => step()), (failed) => failed ?? run.result());
}

class Run {
  readonly #tools: ExpandTools;
  readonly #plain: boolean;
  readonly #copies: boolean;
  readonly #out: Recipient[] = [];
  readonly #expanded: Recipient[] = [];
  readonly #seen = new Set<string>();

  constructor(tools: ExpandTools, how: { readonly plain: boolean; readonly copies: boolean }) {
    this.#tools = tools;
    this.#plain = how.plain;
    this.#copies = how.copies;
  }

  result(): Expansion {
    return { is: "recipients", recipients: this.#out, expanded: this.#expanded };
  }

  senderCopy(sender: string): MaybeAsync<Trouble | undefined> {
    if (!this.#copies || sender === "" || this.#tools.senderBcc === undefined) return undefined;
    return then(this.#tools.senderBcc(sender), (bcc) => this.#copyOf(bcc));
  }

  recipient(recipient: Recipient): MaybeAsync<Trouble | undefined> {
    return then(this.#clean(recipient.address), (address) => {
      if (isTrouble(address)) return lookupTrouble(address);
      const orcpt = recipient.orcpt ??
        (address === "" ? undefined : this.#original(recipient.address, address));
      return then(
        this.#aliases({ ...recipient, address, orcpt }),
        (failed) => failed ?? this.#recipientCopy(address),
      );
    });
  }

  /** The original recipient where nobody named one: in standard form, before canonical tables and masquerading. */
  #original(address: string, rewritten: string): string {
    return originalRecipient(address === rewritten ? address : this.#tools.standardForm(address));
  }

  /** A copy; it goes through the same tables. */
  copy({ address: bcc, notify }: Copy): MaybeAsync<Trouble | undefined> {
    return then(this.#clean(bcc), (address) => {
      if (isTrouble(address)) return lookupTrouble(address);
      return this.#aliases({ address, original: address, notify });
    });
  }

  #clean(address: string): MaybeAsync<Address | MapTrouble> {
    return this.#plain ? this.#tools.standardForm(address) : this.#tools.envelopeRecipient(address);
  }

  #recipientCopy(address: string): MaybeAsync<Trouble | undefined> {
    if (!this.#copies || this.#tools.recipientBcc === undefined) return undefined;
    return then(this.#tools.recipientBcc(address), (bcc) => this.#copyOf(bcc));
  }

  #copyOf(bcc: string | undefined | MapTrouble): MaybeAsync<Trouble | undefined> {
    if (bcc === undefined) return undefined;
    return isTrouble(bcc) ? lookupTrouble(bcc) : this.copy({ address: bcc, notify: NOTIFY.never });
  }

  #aliases(recipient: Recipient): MaybeAsync<Trouble | undefined> {
    if (this.#plain || this.#tools.alias === undefined) return void this.#add(recipient);
    return then(expandAlias(recipient.address, this.#tools.alias, this.#tools.settings), (addresses) => {
      if (isTrouble(addresses)) {
        return addresses.unreasonable === true ? aliasTrouble(addresses) : lookupTrouble(addresses);
      }
      const notify = this.#notifyAfter(recipient, addresses);
      for (const address of addresses) this.#add({ ...recipient, address, notify });
      return undefined;
    });
  }

  /** An alias answers a wish for a success notice itself and passes on the rest (RFC 3461 §5.2.7). */
  #notifyAfter(recipient: Recipient, addresses: readonly string[]): number {
    const changed = addresses.length > 1 || addresses[0] !== recipient.address;
    if (!changed || (recipient.notify & NOTIFY.success) === 0) return recipient.notify;
    this.#expanded.push(recipient);
    const rest = recipient.notify & ~NOTIFY.success;
    return rest === 0 ? NOTIFY.never : rest;
  }

  /** Once each: with enable_original_recipient what the client wrote makes a difference, else only the address. */
  #add(recipient: Recipient): void {
    const { settings } = this.#tools;
    const key = settings.enable_original_recipient
      ? `${recipient.orcpt ?? ""}\n${recipient.notify}\n${recipient.original}\n${recipient.address}`
      : recipient.address;
    const folded = key.toLowerCase();
    if (this.#seen.has(folded)) return;
    if (this.#seen.size < settings.duplicate_filter_limit || settings.duplicate_filter_limit === 0) {
      this.#seen.add(folded);
    }
    this.#out.push(recipient);
  }
}

function aliasTrouble({ trouble }: MapTrouble): Trouble {
  return { is: "trouble", status: "4.6.0", text: "Alias expansion error", why: trouble };
}

function lookupTrouble({ trouble }: MapTrouble): Trouble {
  return { is: "trouble", status: "4.3.0", text: "Error: queue file write error", why: trouble };
}
