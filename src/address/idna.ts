const ASCII = /^[\x00-\x7f]*$/;

/** The IDNA form of a domain; itself when it is ASCII, "" when it has none (RFC 5891 §4.4). */
export function asciiDomain(domain: string): string {
  if (ASCII.test(domain)) return domain;
  const url = URL.parse(`http://${domain}/`);
  return url === null ? "" : url.hostname;
}
