import type { ClientTlsPolicy } from "../../../tls/client_policy.ts";
import type { RequireTlsLevel } from "./requiretls_policy.ts";

/** What has become of a demand: not known yet, met (with less, maybe, as it allows), or broken, so that the server had nothing. */
interface Feature {
  readonly name: string;
  readonly came: { readonly to: string; readonly isMet: boolean } | undefined;
}

/** How TLS and REQUIRETLS have fared with the last server, for the delivery line (postconf(5), smtp_log_tls_feature_status). */
export class FeatureStatus {
  #level: Feature;
  #requireTls: Feature | undefined;

  /** No `policy`: none could be made out. */
  constructor(
    policy: Pick<ClientTlsPolicy, "level" | "saysUntrusted"> | undefined,
    requireTls: RequireTlsLevel,
  ) {
    this.#level = { name: policy === undefined ? "unknown" : wantedLevel(policy), came: undefined };
    this.#requireTls = requireTls === "disable" ? undefined : { name: "requiretls", came: undefined };
  }

  /** The level that the connection has come to. */
  level(to: string, isMet: boolean): void {
    this.#level = { ...this.#level, came: { to, isMet } };
  }

  requireTls(to: string, isMet: boolean): void {
    if (this.#requireTls !== undefined) this.#requireTls = { ...this.#requireTls, came: { to, isMet } };
  }

  /** Mail goes in the clear. */
  inClear(): void {
    this.level("none", true);
    this.requireTls("none", true);
  }

  /** `may`, `dane:encrypt`, `!verify`, `may?`; what became of REQUIRETLS after a slash. */
  get text(): string {
    return [this.#level, this.#requireTls].filter((each) => each !== undefined).map(featureText).join("/");
  }
}

function featureText({ name, came }: Feature): string {
  if (came === undefined) return `${name}?`;
  return `${came.isMet ? "" : "!"}${name}${came.to === name ? "" : `:${came.to}`}`;
}

/** The level before the DNS had its say. */
function wantedLevel({ level, saysUntrusted }: Pick<ClientTlsPolicy, "level" | "saysUntrusted">): string {
  return level === "halfdane" || saysUntrusted === true ? "dane" : level;
}
