/** The server that a session is with. */
export interface Peer {
  /** Name it was found by; for a socket this machine's own. */
  readonly host: string;
  /** IP address, or path of a socket. */
  readonly address: string;
  /** 0 for a socket. */
  readonly port: number;
}

/** `host[address]`, as in `host ... said:`. */
export function peerName({ host, address }: Peer): string {
  return `${host}[${address}]`;
}

/** `host[address]:port`, as in `relay=`. */
export function relayName(peer: Peer): string {
  return peer.port === 0 ? peerName(peer) : `${peerName(peer)}:${peer.port}`;
}
