import type { SettingsOf } from "../../config/parameters/settings_type.ts";
import { createTlsContext, type TlsContext, type TlsMaterial } from "../../platform/socket/tls_context.ts";
import {
  type Authorities,
  type AuthoritySources,
  AuthorityStore,
  NO_AUTHORITIES,
} from "../../tls/verification/authorities.ts";
import { type Chains, materialOf } from "../../tls/own/chain.ts";
import { ownFilesOf } from "../../tls/own/chain_parameters.ts";
import { cipherList } from "../../tls/ciphers.ts";
import { keyExchangeGroups } from "../../tls/groups.ts";
import { type Attempt, OwnCertificates } from "../../tls/own/own_certificates.ts";
import { parseProtocols, type Unusable } from "../../tls/protocols.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import type { SERVER_TLS_PARAMETERS } from "./server_parameters.ts";
import { readTlsSettings, tlsWarnings } from "./tls_settings.ts";

/** Their values. */
export type ServerTlsSettings = SettingsOf<typeof SERVER_TLS_PARAMETERS>;

/** What a context is made of beside certificates. */
type Fixed = Omit<TlsMaterial, "ca" | "certificates" | "keys">;

/** What the parameters say of protocols, ciphers and groups; `warnings` is what is to be said of them. */
export function fixedMaterial(
  settings: ServerTlsSettings,
): { readonly material: Fixed | Unusable; readonly warnings: readonly string[] } {
  const { demanded, askCertificate } = readTlsSettings(settings);
  const said = tlsWarnings(settings);
  const versions = parseProtocols(
    demanded ? settings.smtpd_tls_mandatory_protocols : settings.smtpd_tls_protocols,
  );
  if ("problem" in versions) return { material: versions, warnings: said };
  const listed = cipherList(settings, {
    grade: demanded ? settings.smtpd_tls_mandatory_ciphers : settings.smtpd_tls_ciphers,
    exclude: [
      settings.smtpd_tls_exclude_ciphers,
      ...(demanded ? [settings.smtpd_tls_mandatory_exclude_ciphers] : []),
      ...(askCertificate ? ["aNULL"] : []),
    ],
  });
  if ("problem" in listed) return { material: listed, warnings: said };
  const { groups, warning } = keyExchangeGroups(settings, settings.smtpd_tls_eecdh_grade);
  const tickets = settings.tls_session_ticket_cipher !== "" && settings.smtpd_tls_session_cache_timeout > 0;
  return {
    material: {
      versions,
      ciphers: listed.ciphers,
      groups,
      ownOrder: settings.tls_preempt_cipherlist,
      tickets,
    },
    warnings: warning === undefined ? said : [...said, warning],
  };
}

/** Where the authorities are that may have signed clients' certificates. */
export function serverAuthorities(settings: ServerTlsSettings): AuthoritySources {
  return {
    file: settings.smtpd_tls_CAfile,
    folder: settings.smtpd_tls_CApath,
    appendSystem: settings.tls_append_default_CA,
  };
}

/** The contexts of a service, as its files are at the moment. */
export class ServerContexts {
  readonly #fixed: Fixed;
  readonly #own: OwnCertificates;
  readonly #store: AuthorityStore | undefined;
  #made:
    | { readonly chains: Chains; readonly authorities: Authorities; readonly context: TlsContext }
    | undefined;

  #renewed = () => {};

  constructor(
    settings: ServerTlsSettings,
    fixed: Fixed,
    files: TlsFiles,
    heard: (attempt: Attempt) => void,
    warn: (text: string) => void,
  ) {
    this.#fixed = fixed;
    if (readTlsSettings(settings).askCertificate) {
      this.#store = new AuthorityStore(
        serverAuthorities(settings),
        files,
        warn,
      );
    }
    this.#own = new OwnCertificates({
      files: ownFilesOf("smtpd", settings),
      world: files,
      makeContext: (chains) => this.contextOf(chains, NO_AUTHORITIES),
      heard,
    });
  }

  /** Those whose signature under a client's certificate counts; undefined when their files cannot be read. */
  authorities(): Authorities | undefined {
    const found = this.#store?.current() ?? NO_AUTHORITIES;
    return "problem" in found ? undefined : found;
  }

  /** The context for a new connection; undefined when there is none. */
  current(): TlsContext | undefined {
    const authorities = this.authorities();
    if (this.#own.current() === undefined || authorities === undefined) return undefined;
    const { chains } = this.#own;
    if (this.#made?.chains !== chains || this.#made.authorities !== authorities) {
      if (this.#made !== undefined && this.#made.authorities !== authorities) this.#renewed();
      this.#made = { chains, authorities, context: this.contextOf(chains, authorities) };
    }
    return this.#made.context;
  }

  /** The cipher list, as the library has it. */
  get ciphers(): string {
    return this.#fixed.ciphers ?? "";
  }

  /** Hears when the authorities are others. */
  renewed(heard: () => void): void {
    this.#renewed = heard;
  }

  /** A context that shows these chains. */
  contextOf(chains: Chains, { pem: ca }: Authorities): TlsContext {
    return createTlsContext({ ...this.#fixed, ca, ...materialOf(chains) });
  }
}
