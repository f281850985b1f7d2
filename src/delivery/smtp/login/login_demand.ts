import type { Login } from "./password_entry.ts";

/** The login that a connection is to have. */
export type LoginDemand =
  | { readonly is: "none" }
  | { readonly is: "login"; readonly login: Login }
  /** Nobody can tell: mail waits, where the server offers AUTH at all. */
  | { readonly is: "trouble"; readonly why: string };

export const NO_LOGIN: LoginDemand = { is: "none" };

/** All that tells one demand from another. */
export function loginText(demand: LoginDemand): string {
  return demand.is === "login" ? demand.login.identity : demand.is;
}
