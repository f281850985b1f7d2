import { expect } from "bun:test";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { authorityUnder, selfMadeAuthority } from "../../../test/kit/memory/authority.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { certificateFingerprint, keyFingerprint, readCertificate } from "./certificate.ts";
import { commonName, issuerName, nameLine } from "./distinguished_name.ts";
import { pemObjects } from "./pem.ts";

const { test } = withPeers(import.meta.path, "openssl");

const derOf = (pem: string) => Buffer.from(pemObjects(pem).objects[0]!.der);

test("readCertificate() reads what openssl wrote", () => {
  const root = selfMadeAuthority("B\u00fccher/O=Root");
  const leaf = authorityUnder(root, "Between").issue({
    name: "mail.example.com",
    names: "DNS:mail.example.com,DNS:*.example.net,IP:192.0.2.1,IP:2001:db8::1,email:a@example.com",
    purpose: "serverAuth",
    algorithm: "rsa",
  });
  const der = derOf(leaf.certificate);
  const [read, other] = [readCertificate(der)!, new X509Certificate(der)];
  expect(read).toMatchObject({
    hosts: ["mail.example.com", "*.example.net"],
    addresses: ["192.0.2.1", "2001:db8::1"],
    isAuthority: false,
    isBeyondUs: false,
    purposes: ["1.3.6.1.5.5.7.3.1"],
    notBefore: Date.parse(other.validFrom),
    notAfter: Date.parse(other.validTo),
  });
  expect(certificateFingerprint(read, "sha256")).toBe(other.fingerprint256);
  expect(certificateFingerprint(read, "SHA1")).toBe(other.fingerprint);
  expect(read.publicKey).toEqual(other.publicKey.export({ type: "spki", format: "der" }) as Buffer);
  expect(keyFingerprint(read, "md5")).toMatch(/^(?:[0-9A-F]{2}:){15}[0-9A-F]{2}$/);
  expect(keyFingerprint(read, "md5", true)).not.toBe(keyFingerprint(read, "md5"));
  expect([commonName(read.subject), issuerName(read.issuer)]).toEqual(["mail.example.com", "Between"]);
  expect(nameLine(read.subject)).toBe("/CN=mail.example.com");
});

test("an authority says so, and what is not ASCII in a name is shown as OpenSSL shows it", () => {
  const root = readCertificate(derOf(selfMadeAuthority("B\u00fccher").certificate))!;
  expect(root.isAuthority).toBe(true);
  expect(nameLine(root.subject)).toMatch(/^\/CN=B(?:\\x[0-9A-F]{2})+cher$/);
});

test("bytes that are no certificate, however near to one, are none", () => {
  const der = derOf(selfMadeAuthority("Root").certificate);
  fc.assert(fc.property(fc.nat(der.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
    readCertificate(Buffer.concat([der.subarray(0, at), Buffer.of(byte), der.subarray(at + 1)]));
    expect(readCertificate(der.subarray(0, at))).toBeUndefined();
  }));
});
