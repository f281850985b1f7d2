import type { MessageResult } from "../../mailauth/message_check.ts";

/** What the log tells of a message that was checked. */
export interface Summary {
  readonly spf: string;
  readonly spfDomain: string;
  /** Of each signature: `pass (d=example.com s=one)`. */
  readonly dkim: string;
  /** The best result among the signatures. */
  readonly dkimBest: string;
  readonly arc: string;
  readonly dmarc: string;
  readonly from: string;
  /** Of DMARC: what the domain asks for, by whose word it passes, or what went wrong. */
  readonly more: string;
}

/** What is no name does not look like anything else either. */
const plain = (name: string) => name.slice(0, 253).replace(/[^A-Za-z0-9._-]/g, "?");

/** Signatures that a line tells of. */
const MOST = 5;

/** A message's results in one line. */
export function summaryOf({ spf, dkim, arc, dmarc }: MessageResult, passesBy: string | undefined): Summary {
  const told = dkim.slice(0, MOST).map(({ is, domain, selector }) =>
    `${is} (d=${plain(domain)} s=${plain(selector)})`
  );
  const more = dkim.length > MOST ? [`and ${dkim.length - MOST} more`] : [];
  return {
    spf: spf.is,
    spfDomain: plain(spf.domain),
    dkim: [...told, ...more].join(" ") || "none",
    dkimBest: dkim.find(({ is }) => is === "pass")?.is ?? dkim[0]?.is ?? "none",
    arc: arc.is,
    dmarc: passesBy === undefined ? dmarc.is : "pass",
    from: plain(dmarc.domain),
    more: passesBy ?? dmarc.why ?? (dmarc.is === "fail" ? `policy ${dmarc.policy}` : ""),
  };
}
