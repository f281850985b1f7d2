import { type MaybeAsync } from "../../base/maybe_async.ts";
import type { AddressAnswer, DnsAnswer } from "../../dns/answer.ts";
import type { DnsRecord, RecordType } from "../../dns/record.ts";
import { parseIp } from "../../address/ip.ts";
import type { AccessPolicy, Decision, Facts, Stage } from "../policy.ts";
import type { PolicyServer } from "../policy_server.ts";
import type { Want } from "../restriction.ts";
import type { AddressVerifier } from "../verifier.ts";
import type { PolicyDns } from "../restriction_deps.ts";

/** The stranger of the proof: what he has of his own. */
export interface OutsideClient {
  /** Outside mynetworks, where anything is. */
  readonly address: string;
  /** A name whose zone he owns, forward and reverse. */
  readonly name: string;
  readonly domain: string;
}

/** Names in his own zone that a text may be, or be part of. */
export function namesOfStranger(text: string, domain: string): readonly string[] {
  return [`${text}${domain}`, `${text}.${domain}`, `x${text}.${domain}`];
}

const TTL = 300;

/** The DNS as a stranger would like it: what he asks about exists and is his, and no list of bad clients has heard of him. */
export function favourableDns(outsider: OutsideClient): PolicyDns {
  const listed = isQueryOfList(outsider);
  return {
    query: <Type extends RecordType>(name: string, type: Type): Promise<DnsAnswer<Type>> => {
      const record = listed(name) ? undefined : recordOf(name, type, outsider);
      const answer = record === undefined
        ? { is: "nxdomain" as const, authentic: false }
        : { is: "records" as const, records: [record], canonical: name, authentic: false };
      return Promise.resolve(answer as DnsAnswer<Type>); // the record is of the type asked for
    },
    addresses: (name): Promise<AddressAnswer> => {
      if (listed(name)) return Promise.resolve({ is: "nxdomain", authentic: false, type: "A" });
      const family = outsider.address.includes(":") ? 6 : 4;
      const addresses = [{ address: outsider.address, family, ttl: TTL } as const];
      return Promise.resolve({ is: "records", addresses, authentic: false });
    },
  };
}

/** Queries of DNS lists begin with the client's address, or with a whole name of the session and go on. */
function isQueryOfList({ address, name, domain }: OutsideClient): (query: string) => boolean {
  const ip = parseIp(address);
  const reversed = ip === undefined
    ? address
    : ip.family === 4
    ? [...ip.bytes].reverse().join(".")
    : [...ip.bytes].reverse().map((byte) => `${(byte & 15).toString(16)}.${(byte >> 4).toString(16)}`).join(
      ".",
    );
  const heads = [reversed, name, domain].map((head) => `${head}.`);
  return (query) => heads.some((head) => query.startsWith(head) && query !== head);
}

/** Below this label of his domain the stranger has records that come to each result of SPF: `pass.spf.stranger.example`. */
export const SPF_LABEL = "spf";

/** The records. */
export const SPF_RECORDS: Readonly<Record<string, string>> = {
  pass: "v=spf1 +all",
  fail: "v=spf1 -all",
  softfail: "v=spf1 ~all",
  neutral: "v=spf1 ?all",
  permerror: "v=spf1 unknown",
};

function recordOf(name: string, type: RecordType, outsider: OutsideClient): DnsRecord | undefined {
  const isV6 = outsider.address.includes(":");
  switch (type) {
    case "A":
      return isV6 ? undefined : { type, name, ttl: TTL, address: outsider.address };
    case "AAAA":
      return isV6 ? { type, name, ttl: TTL, address: outsider.address } : undefined;
    case "MX":
      return { type, name, ttl: TTL, preference: 10, exchange: outsider.name };
    case "NS":
      return { type, name, ttl: TTL, target: outsider.name };
    case "TXT": {
      const end = `.${SPF_LABEL}.${outsider.domain}`;
      const word = name.endsWith(end) ? name.slice(0, -end.length) : "";
      const text = Object.hasOwn(SPF_RECORDS, word) ? SPF_RECORDS[word] : undefined;
      return text === undefined ? undefined : { type, name, ttl: TTL, text };
    }
    default:
      return undefined;
  }
}

const everybodyExists = {
  verify: () => ({ is: "deliverable" } as const),
  known: () => ({ is: "deliverable" } as const),
};

/** Probes say that every address exists. */
export const FAVOURABLE_VERIFIER: AddressVerifier = everybodyExists;

/** A policy server that has no opinion. */
export const SILENT_SERVER: PolicyServer = {
  ask: () => Promise.resolve({ is: "action", action: "DUNNO" }),
  close: () => {},
};

/** A whole session with one recipient (or the same twice), as the policy is asked about it. */
export interface Attempt {
  readonly facts: Facts & { readonly sender: string; readonly recipient: string };
  /** Recipients at DATA: with several, lists for data know none. */
  readonly recipients: number;
}

const PORT = 40_000;

/** Sessions that a stranger may try: each takes another way around what refuses some clients. */
export function attempts(outsider: OutsideClient, want: Want, recipient: string): Attempt[] {
  const base = attempt(outsider, want, recipient);
  const client = (changes: Partial<Facts["client"]>): Attempt => ({
    ...base,
    facts: { ...base.facts, client: { ...base.facts.client, ...changes, ...want.client } },
  });
  const other = (changes: Partial<Facts>): Attempt => ({
    ...base,
    facts: { ...base.facts, ...changes, ...plain(want) },
  });
  return [
    base,
    other({ sender: "" }),
    other({ tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", keysize: 256 } }),
    client({ name: "unknown", nameStatus: 5, reverseName: "unknown", reverseNameStatus: 5 }),
    other({ helo: undefined }),
    { ...base, recipients: 2 },
  ];
}

function plain({ client: _, ...rest }: Want): Partial<Facts> {
  return rest;
}

function attempt(outsider: OutsideClient, want: Want, recipient: string): Attempt {
  const named = want.client?.name ?? outsider.name;
  const known = named === "unknown" ? 5 : 2;
  const address = want.client?.address ?? outsider.address;
  const facts = {
    service: "smtp",
    server: { address: "192.0.2.1", port: 25 },
    peerAddress: outsider.address,
    protocol: "ESMTP" as const,
    helo: outsider.name,
    sender: `someone@${outsider.domain}`,
    recipient,
    recipientCount: 0,
    size: 1000,
    ...plain(want),
  };
  return {
    facts: {
      ...facts,
      sender: facts.sender ?? "",
      recipient: facts.recipient ?? recipient,
      client: {
        address,
        port: PORT,
        name: named,
        reverseName: named,
        nameStatus: known,
        reverseNameStatus: known,
        ...want.client,
      },
    },
    recipients: 1,
  };
}

/** Plays a session through the policy, command by command; true when the mail is taken, and for the recipient it names. */
export async function isTaken(policy: AccessPolicy, { facts, recipients }: Attempt): Promise<boolean> {
  const { helo: _helo, sender: _sender, recipient: _recipient, ...connected } = facts;
  const { recipient: _later, ...mailed } = facts;
  const session = policy.open();
  const answers: (() => MaybeAsync<Decision>)[] = [
    () => session.check("CONNECT", connected),
    () => facts.helo === undefined ? NOTHING : session.check("EHLO", { ...connected, helo: facts.helo }),
    () => session.check("MAIL", mailed),
    () => session.check("RCPT", facts),
    ...(["DATA", "END-OF-MESSAGE"] as const satisfies readonly Stage[]).map((stage) => () =>
      session.check(stage, { ...facts, recipientCount: recipients })
    ),
  ];
  if (!await policy.acceptsAddress(facts.sender, undefined, false)) return false;
  if (!await policy.acceptsAddress(facts.recipient, facts.sender, false)) return false;
  for (const ask of answers) {
    const { refusal, effects } = await ask();
    if (refusal !== undefined) return false;
    if (effects.some(({ is }) => is === "discard" || is === "redirect")) return false;
  }
  return true;
}

const NOTHING: Decision = { effects: [], notes: [] };
