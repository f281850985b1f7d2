/** A digest that TLSA records may use. */
export interface DaneDigest {
  readonly algorithm: string;
  /** Bytes. */
  readonly length: number;
  /** Of several digests in the records of a host only the strongest counts (RFC 7671 §9). */
  readonly strength: number;
}

/** Digests by matching type. */
export type DaneDigests = ReadonlyMap<number, DaneDigest>;

/** Matching types that have a digest of their own (RFC 6698 §7.4). */
const STANDARD: ReadonlyMap<string, number> = new Map([["sha256", 1], ["sha512", 2]]);

/** Bytes of the digests that there are. */
const LENGTHS: ReadonlyMap<string, number> = new Map([
  ["sha1", 20],
  ["sha224", 28],
  ["sha256", 32],
  ["sha384", 48],
  ["sha512", 64],
]);

/** What tls_dane_digests says, and what Postfix warns of in it. */
export interface DaneDigestList {
  readonly digests: DaneDigests;
  readonly warnings: readonly string[];
}

/** Reads tls_dane_digests: `sha512 sha256`, the strongest first; `=2` switches a matching type off (postconf(5)). */
export function readDaneDigests(list: string): DaneDigestList {
  const warnings: string[] = [];
  const chosen: (readonly [number, Pick<DaneDigest, "algorithm" | "length">])[] = [];
  const off = new Set<number>();
  for (const item of list.split(/[,\s]+/).filter((word) => word !== "")) {
    const read = readItem(item);
    if (typeof read === "string") warnings.push(read);
    else if (read.digest === undefined) off.add(read.type);
    else if (chosen.some(([type]) => type === read.type)) {
      warnings.push(`tls_dane_digests: matching type ${read.type} specified more than once`);
    } else {
      off.delete(read.type);
      chosen.push([read.type, read.digest]);
    }
  }
  const digests = new Map(
    chosen.map(([type, digest], at) => [type, { ...digest, strength: chosen.length - at }] as const)
      .filter(([type]) => !off.has(type)),
  );
  return { digests, warnings };
}

interface Item {
  readonly type: number;
  /** Undefined: records of that type count no more. */
  readonly digest: Pick<DaneDigest, "algorithm" | "length"> | undefined;
}

/** One item, or what is wrong with it. */
function readItem(item: string): Item | string {
  const [name = "", code = ""] = item.toLowerCase().split("=", 2);
  const own = STANDARD.get(name);
  const type = code === "" ? own : Number(code);
  if (type === undefined) return `tls_dane_digests: digest algorithm ${name} needs an explicit number`;
  if (code !== "" && (!/^\d+$/.test(code) || type >= 255)) {
    return `Invalid matching type number in tls_dane_digests: ${name}=${code}`;
  }
  if (type === 0) return `Reserved matching type number in tls_dane_digests: ${name}=${code}`;
  if (name === "") return { type, digest: undefined };
  if (type < 3 && own !== type) {
    return `tls_dane_digests: matching type ${type} can only be ${type === 1 ? "sha256" : "sha512"}`;
  }
  const length = LENGTHS.get(name);
  if (length === undefined) return `tls_dane_digests: digest algorithm "${name}"(${type}) unknown`;
  return { type, digest: { algorithm: name, length } };
}
