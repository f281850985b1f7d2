import type tls from "node:tls";
import { cryptoModule } from "../late_modules.ts";

/** Data that both ends of a TLS connection see, and nobody between two connections can make the same (RFC 9266, RFC 5929 §4). */
export type ChannelBinding = "tls-exporter" | "tls-server-end-point";

/** How the data is had; undefined where the connection has none of that type. */
export type BindingOf = (type: ChannelBinding) => Buffer | undefined;

/** The bindings of a connection to a server. */
export function clientBindings(socket: tls.TLSSocket): BindingOf {
  return (type) =>
    type === "tls-exporter" ? exported(socket) : certificateDigest(socket.getPeerCertificate(true));
}

/**
 * The bindings of a connection to us. Of several certificates nothing here tells which one was shown; a client that can do without them
 * binds to the exporter then.
 */
export function serverBindings(socket: tls.TLSSocket, certificates: number): BindingOf {
  return (type) => {
    if (type === "tls-exporter") return exported(socket);
    return certificates === 1 ? certificateDigest(socket.getCertificate()) : undefined;
  };
}

/** Before TLS 1.3 only a connection with the extended master secret has it, and nothing here tells which have (RFC 9266 §4.2). */
function exported(socket: tls.TLSSocket): Buffer | undefined {
  if (socket.getProtocol() !== "TLSv1.3") return undefined;
  return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
}

function certificateDigest(certificate: object | null): Buffer | undefined {
  return certificate !== null && "raw" in certificate && Buffer.isBuffer(certificate.raw)
    ? endPointOf(certificate.raw)
    : undefined;
}

/**
 * The certificate's digest, by the function that it is signed with, and SHA-256 where that one is too weak. Signatures without a single
 * function (Ed25519) have no such binding.
 */
export function endPointOf(certificate: Buffer): Buffer | undefined {
  const { X509Certificate, createHash } = cryptoModule();
  const parsed: object = new X509Certificate(certificate);
  const algorithm = "signatureAlgorithm" in parsed ? String(parsed.signatureAlgorithm) : "";
  const name = /(md5|sha1|sha224|sha256|sha384|sha512)(?![0-9])/i.exec(algorithm)?.[1]?.toLowerCase();
  if (name === undefined) return undefined;
  return createHash(name === "md5" || name === "sha1" ? "sha256" : name).update(certificate).digest();
}
