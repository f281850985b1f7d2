import { isHostname } from "../address/hostname.ts";
import { POLICY_FAILURES, type PublishedPolicy } from "./published_policy.ts";

/** What a policy has said so far of what the domain has published (TLSRPT_README). */
export interface PublishedDraft {
  readonly ttl?: string;
  readonly type?: PublishedPolicy["type"];
  readonly domain?: string;
  readonly strings?: readonly string[];
  readonly mxHosts?: readonly string[];
  readonly failure?: NonNullable<PublishedPolicy["failure"]>;
}

/** What one attribute adds, or what is wrong with it. */
type Read = (value: string, before: PublishedDraft, name: string) => PublishedDraft | string;

const again = (name: string) => `attribute "${name}" is specified multiple times`;
const unexpected = (name: string, value: string) => `attribute "${name}" has an unexpected value: "${value}"`;
const malformed = (name: string, value: string) => `attribute "${name}" has a malformed value: "${value}"`;

const ATTRIBUTES: Readonly<Record<string, Read>> = {
  policy_ttl: (value, { ttl }, name) => {
    if (ttl !== undefined) return again(name);
    return /^\d{1,10}$/.test(value) && Number(value) < 2 ** 31 ? { ttl: value } : malformed(name, value);
  },
  policy_type: (value, { type }, name) => {
    if (type !== undefined) return again(name);
    const lower = value.toLowerCase();
    return lower === "sts" || lower === "no-policy-found" ? { type: lower } : unexpected(name, value);
  },
  policy_domain: (value, { domain }, name) => {
    if (domain !== undefined) return again(name);
    return isHostname(value) ? { domain: value } : malformed(name, value);
  },
  policy_string: (value, { strings = [] }) => ({ strings: [...strings, value] }),
  mx_host_pattern: (value, { mxHosts = [] }) => ({ mxHosts: [...mxHosts, value] }),
  policy_failure: (value, { failure }, name) => {
    if (failure !== undefined) return again(name);
    const known = POLICY_FAILURES.find((each) => each === value.toLowerCase());
    return known === undefined ? unexpected(name, value) : { failure: known };
  },
};

/** What an attribute adds to what was said before; a text says what is wrong; undefined when it is none of these. */
export function readPublished(
  name: string,
  value: string,
  before: PublishedDraft,
): PublishedDraft | string | undefined {
  const lower = name.toLowerCase();
  if (!Object.hasOwn(ATTRIBUTES, lower)) return undefined;
  const read = ATTRIBUTES[lower]!(value, before, name);
  return typeof read === "string" ? read : { ...before, ...read };
}

/** All of it together; without a type the rest makes no sense. */
export function publishedOf(draft: PublishedDraft): PublishedPolicy | string | undefined {
  const { type, domain = "", strings = [], mxHosts = [], failure } = draft;
  if (type !== undefined) {
    return { type, domain, strings, mxHosts, ...(failure !== undefined && { failure }) };
  }
  return Object.keys(draft).length === 0
    ? undefined
    : "built-in policy has unexpected attribute policy_ttl, policy_domain, policy_string, " +
      "mx_host_pattern or policy_failure";
}
