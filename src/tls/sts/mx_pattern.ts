/** A domain of letters, digits and hyphens, at most 253 bytes (RFC 8461 §3.2, RFC 5321 §4.1.2). */
const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** Whether a text is what an `mx` field of a policy may hold: a domain, perhaps with `*` for its left-most label. */
export function isMxPattern(text: string): boolean {
  return DOMAIN.test(text.startsWith("*.") ? text.slice(2) : text);
}

/** Whether a host is one that the pattern means. `*.example.com` means hosts with exactly one label more (RFC 8461 §4.1). */
export function matchesMxPattern(pattern: string, host: string): boolean {
  const [wanted, name] = [pattern.toLowerCase(), withoutFinalDot(host.toLowerCase())];
  if (!wanted.startsWith("*.")) return wanted === name;
  const dot = name.indexOf(".");
  return dot > 0 && wanted.length > 2 && name.slice(dot + 1) === wanted.slice(2);
}

function withoutFinalDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
