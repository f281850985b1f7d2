import { exchange, exchangeOverTcp, type Server, type Wire } from "./exchange.ts";
import { hasEdns, parseResponse, printQuery } from "./message.ts";
import type { RecordType } from "./record.ts";

/** What one name server can do. */
export interface ServerProbe {
  readonly server: Server;
  /** Why it is of no use; undefined where it answers. */
  readonly trouble: string | undefined;
  /** It knows EDNS: answers longer than 512 bytes come in one datagram (RFC 6891). */
  readonly edns: boolean;
  /** It can be asked over TCP, as it has to be for long answers (RFC 7766). */
  readonly tcp: boolean;
  /** It says that the answer was validated (RFC 6840 §5.8). */
  readonly authentic: boolean;
}

/** What is asked, how long an answer may take, and a random number that cannot be predicted. */
export interface ProbeQuestion {
  readonly name: string;
  readonly type: RecordType;
  readonly timeout: number;
  readonly signal: AbortSignal;
  readonly randomId: () => number;
}

/** Asks a name server over UDP, with EDNS and for validation, and over TCP. */
export async function probeServer(
  wire: Wire,
  server: Server,
  { name, type, timeout, signal, randomId }: ProbeQuestion,
): Promise<ServerProbe> {
  const question = () => printQuery(randomId(), name === "." ? "" : name, type, { edns: true, dnssec: true });
  const [udp, tcp] = await Promise.all([
    exchange(wire, server, question(), { timeout, signal }),
    exchangeOverTcp(wire, server, question(), { timeout, signal }),
  ]);
  const response = udp.is === "bytes" ? parseResponse(udp.bytes) : undefined;
  const trouble = udp.is === "failed"
    ? udp.why
    : response === undefined
    ? "what it says cannot be understood"
    : response.rcode === "NOERROR" || response.rcode === "NXDOMAIN"
    ? undefined
    : `answers ${response.rcode}`;
  return {
    server,
    trouble,
    edns: udp.is === "bytes" && hasEdns(udp.bytes),
    tcp: tcp.is === "bytes",
    authentic: response?.authentic === true,
  };
}
