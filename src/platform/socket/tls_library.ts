/** Name and version of the TLS library inside the executable. */
export function tlsLibrary(): string {
  const { boringssl, openssl } = process.versions;
  return boringssl === undefined ? `OpenSSL ${openssl}` : `BoringSSL ${boringssl}`;
}
