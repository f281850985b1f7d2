import type CryptoModule from "node:crypto";
import type HttpModule from "node:http";
import type NetModule from "node:net";
import type TlsModule from "node:tls";
import type ZlibModule from "node:zlib";

// Modules of the runtime that take milliseconds to load and that a `postmap -q` has no use for: loaded at their first use.

let crypto: typeof CryptoModule | undefined;
let http: typeof HttpModule | undefined;
let net: typeof NetModule | undefined;
let tls: typeof TlsModule | undefined;
let zlib: typeof ZlibModule | undefined;

/** The runtime's keys and certificates. */
export function cryptoModule(): typeof CryptoModule {
  return crypto ??= process.getBuiltinModule("node:crypto");
}

/** The runtime's sockets. */
export function netModule(): typeof NetModule {
  return net ??= process.getBuiltinModule("node:net");
}

/** The runtime's TLS. */
export function tlsModule(): typeof TlsModule {
  return tls ??= process.getBuiltinModule("node:tls");
}

/** The runtime's HTTP. */
export function httpModule(): typeof HttpModule {
  return http ??= process.getBuiltinModule("node:http");
}

/** The runtime's compression. */
export function zlibModule(): typeof ZlibModule {
  return zlib ??= process.getBuiltinModule("node:zlib");
}
