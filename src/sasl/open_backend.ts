import type { AuthBackend } from "./auth_backend.ts";
import { createCyrusBackend } from "./cyrus/cyrus_backend.ts";
import { openSaslauthd } from "./cyrus/saslauthd.ts";
import type { DovecotWorld } from "./dovecot/auth_connection.ts";
import { createDovecotBackend } from "./dovecot/dovecot_backend.ts";
import { createInternalBackend } from "./internal/internal_backend.ts";
import type { UserTable } from "./internal/users.ts";
import type { LentSecrets } from "./password/secret_text.ts";
import type { Bind } from "./password/check_password.ts";
import type { AskHttp } from "./oauth/introspection.ts";
import { createTokenChecker } from "./oauth/token_checker.ts";
import type { BackendSettings, WantedBackend } from "./read_backend.ts";

/** What back ends are made with. */
export interface BackendWorld extends DovecotWorld {
  /** The tables of `sasl_users`. */
  users(): UserTable | undefined;
  readonly askHttp: AskHttp;
  /** Files that only root may read. */
  readonly files: LentSecrets;
  /** Opens what `sasl_ldap_bind` names. */
  bind(): Bind | undefined;
}

/** What can be opened. */
export type Openable = Exclude<WantedBackend, { readonly is: "none" | "bad" }>;

/** Opens a back end; it connects when somebody first asks. */
export function openBackend(wanted: Openable, settings: BackendSettings, world: BackendWorld): AuthBackend {
  const { connect, clock, askHttp: ask } = world;
  const now = () => clock.now();
  switch (wanted.is) {
    case "dovecot":
      return createDovecotBackend(wanted.name, wanted.to, world);
    case "cyrus": {
      const { paths, mechanisms } = wanted.wants;
      return createCyrusBackend(openSaslauthd(paths, { connect, clock: now }), mechanisms);
    }
    case "internal": {
      const checkToken = wanted.oauth && createTokenChecker(wanted.oauth, { ask, now, files: world.files });
      return createInternalBackend({ settings, users: world.users(), bind: world.bind(), checkToken, now });
    }
  }
}
