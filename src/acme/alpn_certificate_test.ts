import { expect, test } from "bun:test";
import { readCertificate } from "../tls/x509/certificate.ts";
import { element, elements, identifierText } from "../tls/x509/der.ts";
import { digest } from "../platform/digest.ts";
import { createTlsContext } from "../platform/socket/tls_context.ts";
import { pemObjects } from "../tls/x509/pem.ts";
import { isSignedBy } from "../platform/certificate_signature.ts";
import { alpnCertificate } from "./alpn_certificate.ts";
import { identifier, integer, tagged } from "./der_writer.ts";

test("the certificate is for the name, bears the digest of the proof, critically, and has signed itself (RFC 8737 §3)", () => {
  const now = Date.now();
  const { certificate, key } = alpnCertificate("mail.example.com", "token.thumb", now);
  const der = Buffer.from(pemObjects(certificate).objects[0]!.der);
  const read = readCertificate(der)!;
  expect(read.hosts).toEqual(["mail.example.com"]);
  expect([read.notBefore < now, read.notAfter > now, read.isBeyondUs]).toEqual([true, true, true]);
  expect(isSignedBy(der, der)).toBe(true);
  createTlsContext({ ca: "", certificates: [certificate], keys: [key] });
  const body = elements(elements(element(der).content)[0]!.content);
  const extensions = elements(element(body.find(({ tag }) => tag === 0xa3)!.content).content).map((
    { content },
  ) => elements(content));
  const [, critical, value] = extensions.find(([name]) =>
    identifierText(name!.content) === "1.3.6.1.5.5.7.1.31"
  )!;
  expect(critical!.content[0]).toBe(0xff);
  expect(element(value!.content).content).toEqual(digest("sha256", "token.thumb"));
});

test("lengths, numbers and identifiers are written as DER has them", () => {
  expect(tagged(4, Buffer.alloc(127)).subarray(0, 2)).toEqual(Buffer.from([4, 127]));
  expect(tagged(4, Buffer.alloc(128)).subarray(0, 3)).toEqual(Buffer.from([4, 0x81, 128]));
  expect(tagged(4, Buffer.alloc(300)).subarray(0, 4)).toEqual(Buffer.from([4, 0x82, 1, 44]));
  expect(integer(Buffer.from([0x80]))).toEqual(Buffer.from([2, 2, 0, 0x80]));
  expect(identifier("1.2.840.10045.4.3.2").toString("hex")).toBe("06082a8648ce3d040302");
});
