import { cipherText, type Handshake, keyExchangeText, signatureText } from "./handshake.ts";

/**
 * How far the other side is who it says: no certificate, one that nobody known has signed, one of a known authority, one that has
 * also the name or fingerprint that was asked for.
 */
export type Trust = "Anonymous" | "Untrusted" | "Trusted" | "Verified";

/** What of a connection is told. */
export interface TlsConnection {
  readonly trust: Trust;
  /** `from` a client, as log lines show it, or `to` a server: `mail.example.com[192.0.2.1]:25`. */
  readonly peer: { readonly from: string } | { readonly to: string };
  /** The name that a client asked for and that was looked at (tls_server_sni_maps). */
  readonly serverName?: string | undefined;
  readonly handshake: Handshake;
}

/** The line of loglevel 1: `Anonymous TLS connection established from C: TLSv1.3 with cipher ...`. */
export function connectionLine({ trust, peer, serverName, handshake }: TlsConnection): string {
  const where = "from" in peer ? `from ${peer.from}` : `to ${peer.to}`;
  const name = serverName === undefined ? "" : ` to ${serverName}`;
  return `${trust} TLS connection established ${where}${name}: ${handshakeText(handshake)}`;
}

/** What was agreed on, as far as it is told: `TLSv1.3 with cipher ... key-exchange X25519 ...`. */
export function handshakeText(handshake: Handshake): string {
  return [
    cipherText(handshake),
    keyExchangeText(handshake),
    signatureText("server", handshake.serverSignature),
    signatureText("client", handshake.clientSignature),
  ].filter((part) => part !== undefined).join(" ");
}
