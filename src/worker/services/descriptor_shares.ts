/** How the descriptors of a worker are shared out, so that no part of it can take what the others need. */
export interface DescriptorShares {
  /** Connections of clients, all services together. Each may need a second one, for a message too large for memory. */
  readonly clients: number;
  /** Clients beyond them that may be told so at a time; more are closed without a word. */
  readonly turnedAway: number;
  /** Deliveries at a time: connection, content, and a question to the DNS. */
  readonly deliveries: number;
  /** Connections that the SMTP clients keep for the next delivery, each transport's own. */
  readonly kept: number;
}

const LEAST = 2;

/** An eighth is left for queue, tables, name servers and the log; `inUse` are open before the first client comes. */
export function shareDescriptors(openFiles: number, inUse: number): DescriptorShares {
  const free = Math.max(openFiles - inUse, 0);
  const part = (of: number, most = Infinity) => Math.min(Math.max(Math.floor(free / of), LEAST), most);
  return { clients: part(4), turnedAway: part(16, 64), deliveries: part(12), kept: part(32, 200) };
}
