import type { Resolver } from "../../dns/resolver.ts";
import { findPublishedKey, keyRecordName, type PublishedKey } from "../../mailauth/dkim/published_key.ts";
import { publicRecord, type SigningAlgorithm, type SigningKey } from "../../mailauth/dkim/signing_key.ts";
import type { KeyEntry } from "./key_table.ts";
import { parsed } from "./signing_keys.ts";

/** What is wrong with a key, and what to do about it. */
export interface KeyProblem {
  /** Signatures with it fail, or there are none. */
  readonly grave: boolean;
  readonly text: string;
  readonly fix: string;
}

/** How it stands with a key that mail is signed with. */
export interface KeyReport {
  readonly domain: string;
  readonly selector: string;
  /** Undefined where it stands in the table. */
  readonly file: string | undefined;
  /** Where its public half is to be. */
  readonly name: string;
  /** What is to be there; undefined where the key cannot be read. */
  readonly record: string | undefined;
  readonly algorithm: SigningAlgorithm | undefined;
  readonly bits: number | undefined;
  readonly published: PublishedKey["is"] | "unread";
  readonly problems: readonly KeyProblem[];
}

/** What a report needs of the world. */
export interface KeyReportWorld {
  readonly resolver: Pick<Resolver, "txt">;
  /** Throws the system's error. */
  readonly read: (path: string) => string;
  /** Whether everybody on this machine may read the file. */
  readonly isOpenToAll: (path: string) => boolean;
}

/** RFC 8301 §3.2. */
const ADVISED_BITS = 2048;

/** Compares a key with what the DNS says of it. */
export async function reportKey(
  entry: KeyEntry,
  { resolver, read, isOpenToAll }: KeyReportWorld,
  signal?: AbortSignal,
): Promise<KeyReport> {
  const { domain, selector, source } = entry;
  const file = "path" in source ? source.path : undefined;
  const name = keyRecordName(entry);
  const known = { domain, selector, file, name };
  const answer = parsed(entry, () => "path" in source ? read(source.path) : source.text);
  if ("fault" in answer) {
    const denied = answer.denied === true;
    const problems = [{ grave: !denied, text: answer.fault, fix: fixOf(entry, denied) }];
    return {
      ...known,
      record: undefined,
      algorithm: undefined,
      bits: undefined,
      published: "unread",
      problems,
    };
  }
  const { key } = answer;
  const published = await findPublishedKey(key, resolver, signal);
  return {
    ...known,
    record: publicRecord(key),
    algorithm: key.algorithm,
    bits: key.bits,
    published: published.is,
    problems: [...publishedProblems(key, published), ...ownProblems(key, file, isOpenToAll)],
  };
}

function fixOf({ domain, source }: KeyEntry, denied: boolean): string {
  if (denied) return `ask as root: mta dkim check ${domain}`;
  return "path" in source ? `make it anew: mta dkim genkey ${domain}` : "correct the table";
}

function publishedProblems(key: SigningKey, published: PublishedKey): readonly KeyProblem[] {
  const name = keyRecordName(key);
  const fix = `publish ${name} TXT "${publicRecord(key)}"`;
  const who = `mail of ${key.domain} signed with s=${key.selector}`;
  switch (published.is) {
    case "missing":
      return [{ grave: true, text: `${who} fails: nobody finds its key, ${name} has no TXT record`, fix }];
    case "different":
      return [{ grave: true, text: `${who} fails: ${name} has another key than the one that signs`, fix }];
    case "unusable":
      return [{ grave: true, text: `${who} fails: ${name}: ${published.why}`, fix }];
    case "unknown":
      return [{
        grave: false,
        text: `${name}: whether there is a key cannot be told: ${published.why}`,
        fix: "ask again, or look at dns_servers",
      }];
    case "published":
      if (!published.testing) return [];
      return [{
        grave: false,
        text: `${name} says that the domain is only testing (t=y): who checks may treat its mail as unsigned`,
        fix: "take t=y out of the record",
      }];
  }
}

function ownProblems(
  { domain, selector, bits, algorithm }: SigningKey,
  file: string | undefined,
  isOpenToAll: (path: string) => boolean,
): readonly KeyProblem[] {
  const problems: KeyProblem[] = [];
  if (algorithm === "rsa-sha256" && bits < ADVISED_BITS) {
    problems.push({
      grave: false,
      text: `the key s=${selector} d=${domain} has ${bits} bits: there should be ${ADVISED_BITS}`,
      fix: `make another, with another selector: mta dkim genkey ${domain}`,
    });
  }
  if (file !== undefined && isOpenToAll(file)) {
    problems.push({
      grave: false,
      text: `${file}: everybody on this machine may read this key, and sign as ${domain}`,
      fix: `chmod 600 ${file}`,
    });
  }
  return problems;
}
