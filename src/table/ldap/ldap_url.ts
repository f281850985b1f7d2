/** Reach of a search (RFC 4511 §4.5.1.2). */
export type LdapScope = "base" | "one" | "sub";

/** A URL of RFC 4516. */
export interface LdapUrl {
  readonly scheme: "ldap" | "ldaps" | "ldapi";
  /** Host, or the socket's path for ldapi; "" when none is given. */
  readonly host: string;
  readonly port: number | undefined;
  readonly dn: string;
  readonly attributes: readonly string[];
  readonly scope: LdapScope | undefined;
  readonly filter: string | undefined;
}

/** Whether a text claims to be such a URL (ldap_is_ldap_url(3)). */
export function isLdapUrl(text: string): boolean {
  return /^<?(?:URL:)?ldap[si]?:\/\//i.test(text);
}

const URL_FORM =
  /^(?:URL:)?(ldap[si]?):\/\/(\[[0-9A-Fa-f:.]+\]|[^\/?:\[\]]*)(?::([0-9]{1,5}))?(?:\/([^?]*)(?:\?([^?]*))?(?:\?([^?]*))?(?:\?([^?]*))?(?:\?([^?]*))?)?$/i;

/** Takes a URL apart; a text says what is wrong with it. */
export function parseLdapUrl(text: string): LdapUrl | string {
  const match = URL_FORM.exec(text.startsWith("<") && text.endsWith(">") ? text.slice(1, -1) : text);
  if (match === null) return "it is no LDAP URL";
  const [, scheme, host, port, dn, attributes, scope, filter, extensions] = match.map((part) => part ?? "");
  if (port !== "" && Number(port) > 65_535) return `port ${port} is too large`;
  if (scope !== "" && !/^(?:base|one|sub)$/i.test(scope!)) return `unknown scope "${scope}"`;
  const critical = extensions!.split(",").find((extension) => extension.startsWith("!"));
  if (critical !== undefined) return `unknown critical extension "${critical}"`;
  try {
    return {
      scheme: scheme!.toLowerCase() as LdapUrl["scheme"],
      host: decodeURIComponent(host!.replace(/^\[|\]$/g, "")),
      port: port === "" ? undefined : Number(port),
      dn: decodeURIComponent(dn!),
      attributes: attributes === "" ? [] : decodeURIComponent(attributes!).split(","),
      scope: scope === "" ? undefined : scope!.toLowerCase() as LdapScope,
      filter: filter === "" ? undefined : decodeURIComponent(filter!),
    };
  } catch {
    return "a % is not followed by two hexadecimal digits of UTF-8 text";
  }
}
