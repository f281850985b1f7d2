import type { Log } from "../observe/log.ts";
import type { MessageDraft } from "./message_draft.ts";
import { type Changed, type HeaderField, type Stage, UNCHANGED } from "./stage.ts";

/** Which of them count (postconf(5)). */
export interface TlsFieldSettings {
  /** tls_required_enable: `TLS-Required: no`. */
  readonly tlsRequired: boolean;
  /** requiretls_enable and requiretls_esmtp_header: `Require-TLS-ESMTP: yes`. */
  readonly requireTls: boolean;
}

/** Characters of a malformed field that a warning shows. */
const SHOWN = 100;

/**
 * The sender's wishes about TLS that stand in the header (RFC 8689 §5 and §4.3): `TLS-Required: no`, and `Require-TLS-ESMTP: yes`,
 * which brings REQUIRETLS through content filters that do not know it, and is added for them.
 */
export class TlsFields implements Stage {
  readonly #message: MessageDraft;
  readonly #settings: TlsFieldSettings;
  readonly #log: Log;
  #seen = false;

  constructor(message: MessageDraft, settings: TlsFieldSettings, log: Log) {
    this.#message = message;
    this.#settings = settings;
    this.#log = log;
  }

  field({ place, name, text }: HeaderField): Changed {
    if (place !== "primary" || name.length < SHORTEST) return UNCHANGED;
    if (name === "tls-required" && this.#settings.tlsRequired) this.#tlsRequired(text);
    else if (name === "require-tls-esmtp" && this.#settings.requireTls && valueOf(text) === "yes") {
      this.#message.requireTls = true;
      this.#seen = true;
    }
    return UNCHANGED;
  }

  #tlsRequired(text: string): void {
    if (valueOf(text) === "no") this.#message.tlsNotRequired = true;
    else {
      const shown = text.trimEnd().replaceAll("\r\n", "\n").slice(0, SHOWN);
      this.#log.note("cleanup", "warning", `ignoring malformed header: '${shown}'`);
    }
  }

  headerEnd(): void {
    if (!this.#message.requireTls || !this.#settings.requireTls || this.#seen) return;
    this.#message.addField("Require-TLS-ESMTP: yes\r\n");
  }
}

const SHORTEST = "tls-required".length;

function valueOf(text: string): string {
  return text.slice(text.indexOf(":") + 1).trim().toLowerCase();
}
