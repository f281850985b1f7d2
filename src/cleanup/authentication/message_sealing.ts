import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { sealContent } from "../../mailauth/arc/seal_content.ts";
import type { SigningKey } from "../../mailauth/dkim/signing_key.ts";
import type { Log } from "../../observe/log.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import type { MessageDraft } from "../message_draft.ts";
import { BodyHash, bodyHashOf } from "../signing/body_hash.ts";
import { findKeyEntries } from "../signing/key_table.ts";
import type { SigningKeys } from "../signing/signing_keys.ts";
import type { FieldRules } from "../signing/signing_settings.ts";
import type { Stage } from "../stage.ts";
import type { OurResults } from "./content_authentication.ts";

/** What all messages are sealed with. */
export interface SealingContext {
  /** arc_sealing_domain. */
  readonly domain: string;
  /** dkim_signing_keys. */
  readonly maps: OpenMaps;
  readonly keys: SigningKeys;
  readonly fields: FieldRules;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** One message that is sealed (RFC 8617 §5.1). Where that cannot be it goes without: a seal is a service to others. */
export class MessageSealing {
  readonly #context: SealingContext;
  readonly #message: MessageDraft;
  #hash: BodyHash | undefined;

  constructor(context: SealingContext, message: MessageDraft) {
    this.#context = context;
    this.#message = message;
  }

  /** Before filters: the body is hashed as it goes by. */
  get prepares(): Stage {
    return {
      headerEnd: () => {
        const hash = new BodyHash();
        if (this.#message.follow((bytes) => hash.push(bytes))) this.#hash = hash;
      },
    };
  }

  /** Puts the set on top of the header as it is now. */
  seal(results: OurResults): MaybeAsync<void> {
    return then(this.#key(), (key) => {
      if (typeof key === "string") return this.#unsealed(key);
      return this.#sealWith(key, results);
    });
  }

  /** The first of the domain's keys that can be used, or why there is none. */
  #key(): MaybeAsync<SigningKey | string> {
    const { maps, keys, domain } = this.#context;
    return then(findKeyEntries(maps, domain), (found): SigningKey | string => {
      if (found.is === "trouble") return found.why;
      const answers = found.is === "found" ? found.entries.map((entry) => keys.get(entry)) : [];
      const key = answers.find((answer) => "key" in answer);
      if (key !== undefined && "key" in key) return key.key;
      const faults = answers.flatMap((answer) => "fault" in answer ? [answer.fault] : []);
      return faults.join("; ") || "dkim_signing_keys has no key for arc_sealing_domain";
    });
  }

  async #sealWith(key: SigningKey, { value, arc }: OurResults): Promise<void> {
    const message = this.#message;
    const hash = await bodyHashOf(message, this.#hash);
    if (hash === undefined) return this.#unsealed("no blank line is between header and body");
    if (message.isHeaderCut) return this.#unsealed("the header is too large");
    const { fields, now, log } = this.#context;
    const given = [...message.fields];
    const { signed, oversigned } = fields.for(given);
    const options = {
      arc,
      authenticationResults: value,
      signed: [...signed, "dkim-signature"],
      oversigned,
      now: now(),
    };
    const set = await sealContent(given, hash, key, options);
    // A chain that is broken, or full, is not carried on.
    if (set === undefined) return;
    for (const field of [...set].reverse()) message.insertField(0, field);
    log.emit("cleanup", "arcSealed", {
      id: message.id,
      instance: arc.highest + 1,
      chain: arc.is,
      selector: key.selector,
      domain: key.domain,
    });
  }

  #unsealed(why: string): void {
    const { log, domain } = this.#context;
    log.emit("cleanup", "arcUnsealed", { id: this.#message.id, domain, why });
  }
}
