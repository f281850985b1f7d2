/** Per octet, which values match. */
export type AddressPattern = readonly ((octet: number) => boolean)[];

/** Reads `127.0.0.2`, `127.0.0.[2;4..10]`: four octets, each a number or a list of numbers and ranges; or says what is wrong. */
export function parseAddressPattern(text: string): AddressPattern | string {
  const fields = text.split(/\.(?![^[]*\])/);
  if (fields.length !== 4) return `need 4 fields in "${text}"`;
  const octets: ((octet: number) => boolean)[] = [];
  for (const field of fields) {
    const octet = parseField(field);
    if (octet === undefined) return `bad field "${field}" in "${text}"`;
    octets.push(octet);
  }
  return octets;
}

/** What is wrong with the `=d.d.d.d` behind the domain of a list; undefined when there is none, or it is right. */
export function filterFlaw(spec: string): string | undefined {
  const equals = spec.indexOf("=");
  const pattern = equals < 0 ? undefined : parseAddressPattern(spec.slice(equals + 1));
  return typeof pattern === "string" ? `${pattern}; whoever gets there is deferred with 451` : undefined;
}

function parseField(field: string): ((octet: number) => boolean) | undefined {
  const bracketed = /^\[([^\]]+)\]$/.exec(field);
  if (bracketed === null) {
    return isOctet(field) ? (octet) => octet === Number(field) : undefined;
  }
  const ranges = bracketed[1]!.split(";").map(parseRange);
  if (ranges.some((range) => range === undefined)) return undefined;
  return (octet) => ranges.some((range) => range !== undefined && range[0] <= octet && octet <= range[1]);
}

function parseRange(text: string): readonly [number, number] | undefined {
  const [low = "", high = low, ...rest] = text.split("..");
  if (rest.length > 0 || !isOctet(low) || !isOctet(high) || Number(low) > Number(high)) return undefined;
  return [Number(low), Number(high)];
}

function isOctet(text: string): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= 255;
}

/** Whether an IPv4 address, as a list answers it, matches. */
export function matchesAddress(pattern: AddressPattern, address: string): boolean {
  const octets = address.split(".").map(Number);
  return octets.length === 4 && pattern.every((matches, at) => matches(octets[at]!));
}
