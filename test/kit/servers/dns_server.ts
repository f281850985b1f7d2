// A DNS server for tests: answers from a table, over UDP and TCP on one loopback port; can be told to fail.
import dgram from "node:dgram";
import net from "node:net";
import packet, { type Answer, type Packet, type RecordType } from "dns-packet";

/** What the server does with a question. */
export type Behaviour = "SERVFAIL" | "REFUSED" | "NXDOMAIN" | "silent" | "truncate" | "garbage" | "FORMERR";

/** Records of a name by type: A/AAAA/CNAME/PTR/NS as text, MX as `10 host`, TXT as text; or what goes wrong instead. */
export type Zone = {
  readonly [name: string]: Behaviour | {
    readonly [type: string]: readonly string[] | Behaviour;
  };
};

export interface DnsServer {
  readonly port: number;
  /** `127.0.0.1:PORT`, for `dns_servers`. */
  readonly address: string;
  /** Questions seen: `udp A example.com`. */
  readonly asked: string[];
  /** Replaces the table. */
  setZone(zone: Zone): void;
  close(): Promise<void>;
}

export interface DnsServerOptions {
  readonly host?: string;
  readonly port?: number;
  /** Sets the AD flag for those who ask for it (RFC 6840 §5.7), for all names or those that are told. */
  readonly authentic?: boolean | ((name: string, type: string) => boolean);
  readonly ttl?: number;
  /** Answers with an OPT record whoever asks with one (RFC 6891 §7). */
  readonly edns?: boolean;
}

const BEHAVIOURS = new Set(["SERVFAIL", "REFUSED", "NXDOMAIN", "silent", "truncate", "garbage", "FORMERR"]);
const RCODES: { readonly [name: string]: number } = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };

function record(name: string, type: string, text: string, ttl: number): Answer {
  const data = type === "MX"
    ? { preference: Number(text.split(" ")[0]), exchange: text.split(" ")[1] || "." }
    : type === "TLSA"
    ? tlsa(text)
    : type === "TXT"
    ? text.match(/[^]{1,255}/g) ?? ""
    : text;
  return { name, type: type as RecordType, ttl, class: "IN", data } as Answer;
}

function tlsa(text: string) {
  const [usage, selector, matchingType, hex] = text.split(" ");
  return {
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    certificate: Buffer.from(hex!, "hex"),
  };
}

const OPT = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] } as unknown as Answer;

interface Found {
  readonly behaviour?: Behaviour;
  readonly answers: readonly Answer[];
  readonly exists: boolean;
}

function search(zone: Zone, name: string, type: string, ttl: number, depth = 0): Found {
  const entry = zone[name];
  if (entry === undefined) return { answers: [], exists: false };
  if (typeof entry === "string") return { behaviour: entry, answers: [], exists: true };
  const wanted = entry[type];
  if (typeof wanted === "string") return { behaviour: wanted as Behaviour, answers: [], exists: true };
  if (wanted !== undefined) {
    const behaviour = wanted.find((text) => BEHAVIOURS.has(text)) as Behaviour | undefined;
    const answers = wanted.filter((text) => !BEHAVIOURS.has(text)).map((text) =>
      record(name, type, text, ttl)
    );
    return { behaviour, answers, exists: true };
  }
  const alias = entry.CNAME;
  if (alias !== undefined && typeof alias !== "string" && depth < 10) {
    const next = search(zone, alias[0]!.toLowerCase(), type, ttl, depth + 1);
    return { ...next, answers: [record(name, "CNAME", alias[0]!, ttl), ...next.answers] };
  }
  return { answers: [], exists: true };
}

/** Starts the server on a free port (or the given one) of 127.0.0.1. */
export async function startDnsServer(initial: Zone, options: DnsServerOptions = {}): Promise<DnsServer> {
  const host = options.host ?? "127.0.0.1";
  let zone = lowered(initial);
  const asked: string[] = [];

  const answer = (query: Buffer, over: "udp" | "tcp"): Buffer | undefined => {
    let request: Packet;
    try {
      request = packet.decode(query);
    } catch {
      return undefined;
    }
    const question = request.questions?.[0];
    if (question === undefined) return undefined;
    asked.push(`${over} ${question.type} ${question.name}`);
    const wantsAd = ((request.flags ?? 0) & packet.AUTHENTIC_DATA) !== 0 ||
      request.additionals?.some((extra) => extra.type === "OPT" && (extra.flags & packet.DNSSEC_OK) !== 0);
    const name = question.name.toLowerCase();
    const validated = typeof options.authentic === "function"
      ? options.authentic(name, question.type)
      : options.authentic === true;
    const found = search(zone, question.name.toLowerCase(), question.type, options.ttl ?? 60);
    let behaviour = found.behaviour;
    if (behaviour === "silent") return undefined;
    if (behaviour === "garbage") {
      return Buffer.concat([query.subarray(0, 2), Buffer.from("\x81\x80junk", "latin1")]);
    }
    if (!found.exists) behaviour = "NXDOMAIN";
    const truncate = behaviour === "truncate" && over === "udp";
    const rcode = behaviour === undefined || behaviour === "truncate" ? 0 : RCODES[behaviour]!;
    const soa: Answer = {
      name: ".",
      type: "SOA",
      ttl: options.ttl ?? 60,
      class: "IN",
      data: {
        mname: "ns.invalid",
        rname: "admin.invalid",
        serial: 1,
        refresh: 1,
        retry: 1,
        expire: 1,
        minimum: 60,
      },
    };
    const answers = truncate ? [] : [...found.answers];
    const negative = rcode === 3 || (rcode === 0 && !answers.some(({ type }) => type === question.type));
    return packet.encode({
      type: "response",
      id: request.id,
      flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | rcode |
        (truncate ? packet.TRUNCATED_RESPONSE : 0) | (wantsAd && validated ? packet.AUTHENTIC_DATA : 0),
      questions: [question],
      answers,
      authorities: negative && !truncate ? [soa] : [],
      additionals: options.edns === true && request.additionals?.some(({ type }) => type === "OPT")
        ? [OPT]
        : [],
    });
  };

  const { tcp, udp, port } = await open(host, options.port ?? 0, answer);
  return {
    port,
    address: `${host}:${port}`,
    asked,
    setZone: (next) => void (zone = lowered(next)),
    close: () =>
      new Promise((resolve) => {
        udp.close();
        tcp.close(() => resolve());
      }),
  };
}

function lowered(zone: Zone): Zone {
  return Object.fromEntries(Object.entries(zone).map(([name, entry]) => [name.toLowerCase(), entry]));
}

/** UDP and TCP on the same port: a port free for TCP may be taken for UDP, so it is tried again. */
async function open(
  host: string,
  port: number,
  answer: (query: Buffer, over: "udp" | "tcp") => Buffer | undefined,
): Promise<{ tcp: net.Server; udp: dgram.Socket; port: number }> {
  for (let attempt = 0;; attempt++) {
    const tcp = net.createServer((socket) => serve(socket, answer));
    await new Promise<void>((resolve, reject) => {
      tcp.once("error", reject);
      tcp.listen(port, host, () => resolve());
    });
    const chosen = (tcp.address() as net.AddressInfo).port;
    const udp = dgram.createSocket(net.isIPv6(host) ? "udp6" : "udp4");
    try {
      await new Promise<void>((resolve, reject) => {
        udp.once("error", reject);
        udp.bind(chosen, host, () => resolve());
      });
    } catch (error) {
      tcp.close();
      udp.close();
      if (port !== 0 || attempt > 20) throw error;
      continue;
    }
    udp.on("message", (query, from) => {
      const response = answer(query, "udp");
      if (response !== undefined) udp.send(response, from.port, from.address);
    });
    return { tcp, udp, port: chosen };
  }
}

function serve(socket: net.Socket, answer: (query: Buffer, over: "tcp") => Buffer | undefined): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const response = answer(pending.subarray(2, end), "tcp");
      pending = pending.subarray(end);
      if (response === undefined) continue;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(response.length);
      socket.write(Buffer.concat([length, response]));
    }
  });
}
