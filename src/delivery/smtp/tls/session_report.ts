import { asciiDomain } from "../../../address/idna.ts";
import type { HandshakeJudgement } from "../../../tls/client/client_engine.ts";
import type { ClientTlsPolicy } from "../../../tls/client_policy.ts";
import { appliedPolicy, type FailureKind, handshakeFailure } from "../../../tls/tlsrpt/handshake_failure.ts";
import type { TlsReporting } from "../../../tls/tlsrpt/tls_reporting.ts";

/** A domain that wants to be told what becomes of TLS with its servers. */
export interface ReportedDomain {
  readonly reporting: TlsReporting;
  /** An A-label. */
  readonly domain: string;
  /** smtp_tlsrpt_skip_reused_handshakes. */
  readonly skipsReused: boolean;
  readonly note: (text: string) => void;
}

/** One session with such a domain. */
export interface ReportedSession {
  readonly policy: ClientTlsPolicy;
  readonly host: string;
  readonly address: string;
  readonly localAddress: string;
}

/** Tells at most once what became of TLS in a session (TLSRPT_README). */
export class SessionReport {
  readonly #to: ReportedDomain;
  readonly #session: ReportedSession;
  #helo: string | undefined;
  #isTold = false;

  constructor(to: ReportedDomain, session: ReportedSession) {
    this.#to = to;
    this.#session = session;
  }

  /** What the server calls itself. */
  hello(name: string): void {
    this.#helo ??= name === "" ? undefined : name;
  }

  judged(judged: HandshakeJudgement): void {
    if (judged.facts.reused && this.#to.skipsReused) return;
    const { policy, host } = this.#session;
    this.#tell(handshakeFailure(policy, judged, asciiDomain(host)));
  }

  failed(failure: FailureKind): void {
    this.#tell(failure);
  }

  #tell(failure: FailureKind | undefined): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const { domain, reporting, note } = this.#to;
    const { policy, host, address, localAddress } = this.#session;
    note(reportLine(domain, { host, address }, failure));
    reporting.count(domain, {
      policy: appliedPolicy(policy, domain),
      failure: failure && {
        ...failure,
        sendingIp: localAddress || undefined,
        mx: host,
        helo: this.#helo,
        receivingIp: address,
      },
    });
  }
}

/** The log line about it, as Postfix's. */
function reportLine(
  domain: string,
  { host, address }: Pick<ReportedSession, "host" | "address">,
  failure: FailureKind | undefined,
): string {
  const about = `domain=${domain}, receiving_mx=${host}[${address}]`;
  if (failure === undefined) return `TLSRPT: status=success, ${about}`;
  const { type, reason } = failure;
  const words = reason === undefined ? "" : `, failure_reason=${reason}`;
  return `TLSRPT: status=failure, ${about}, failure_type=${type.replaceAll("-", "_")}${words}`;
}
