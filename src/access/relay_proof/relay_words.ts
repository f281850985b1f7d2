import { clientText } from "../reply/client_text.ts";
import type { Witness } from "./relay_trial.ts";

/** Says what the proof has found, for the operator. */
export interface RelayWords {
  /** The first session as a transcript, which entries let it through, and what closes them; the others by their entries. */
  witnesses(witnesses: readonly Witness[], allowed: boolean): string[];
  doubts(doubts: readonly string[]): string[];
  loosely(entries: readonly string[]): string[];
  surely(entries: readonly string[]): string[];
}

/** Entries that are named one by one; the others are counted. */
const MOST_NAMED = 3;

/** Words for the findings of one service. */
export function createRelayWords(service: string): RelayWords {
  const listed = (entries: readonly string[], text: string) => {
    const different = [...new Set(entries)];
    if (different.length === 0) return [];
    const more = different.length > MOST_NAMED ? [`and ${different.length - MOST_NAMED} more`] : [];
    return [`${service}: ${text}: ${different.slice(0, MOST_NAMED).concat(more).join("; ")}`];
  };
  return {
    witnesses: (witnesses, allowed) => witnesses.length === 0 ? [] : [openRelay(service, witnesses, allowed)],
    doubts: (doubts) => listed(doubts, "cannot tell beforehand whether strangers relay by"),
    loosely: (entries) => listed(entries, "anybody may relay to what these entries name"),
    surely: (entries) => listed(entries, "may relay because an entry names them"),
  };
}

function openRelay(service: string, witnesses: readonly Witness[], allowed: boolean): string {
  const [first, ...others] = witnesses;
  return [
    `${service}: open relay: a stranger reaches any recipient:`,
    ...(first === undefined ? [] : transcript(first)),
    ...others.map(({ through }) => `  also by ${through.join("; ")}`),
    `  allow_open_relay = yes ${allowed ? "serves" : "would serve"} it all the same`,
  ].join("\n");
}

function transcript({ attempt: { facts }, through, fix, claims }: Witness): string[] {
  const { helo, tls, sender, recipient } = facts;
  const claim = `XCLIENT NAME=localhost ADDR=${facts.client.address} LOGIN=${facts.saslUsername ?? ""}`;
  const certificate = tls?.peer === undefined ? "" : " with a certificate of its own";
  return [
    `  client ${claims === undefined ? clientText(facts.client, false) : `unknown[${claims.address}]`}`,
    ...(claims === undefined ? [] : [`  ${claim}`]),
    ...(tls === undefined ? [] : [`  STARTTLS${certificate}`]),
    ...(helo === undefined ? [] : [`  EHLO ${helo}`]),
    ...(facts.saslMethod === undefined || claims !== undefined ? [] : [`  AUTH ${facts.saslMethod}`]),
    `  MAIL FROM:<${sender}>`,
    `  RCPT TO:<${recipient}>  is accepted`,
    ...through.map((line) => `  by ${line}`),
    `  to close it: ${fix}`,
  ];
}
