// The lines are Postfix 3.7.11's.
import { expect, test } from "bun:test";
import { connectionLine } from "./connection_line.ts";

const client = { from: "localhost[127.0.0.1]" };
const suite = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", bits: 256 };
const rsa = { method: "RSA-PSS", key: "2048 bits", digest: "SHA256" };
const ecdsa = { method: "ECDSA", key: "prime256v1", digest: "SHA256" };

test("connectionLine() tells of TLS 1.3 how keys were agreed on and who signed with what", () => {
  const handshake = { ...suite, keyExchange: "X25519", serverSignature: rsa };
  expect(connectionLine({ trust: "Anonymous", peer: client, handshake })).toBe(
    "Anonymous TLS connection established from localhost[127.0.0.1]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 " +
      "(256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256",
  );
  expect(connectionLine({
    trust: "Trusted",
    peer: client,
    serverName: "mx.example.com",
    handshake: { ...handshake, serverSignature: ecdsa, clientSignature: rsa },
  })).toBe(
    "Trusted TLS connection established from localhost[127.0.0.1] to mx.example.com: TLSv1.3 with cipher " +
      "TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256 " +
      "client-signature RSA-PSS (2048 bits) client-digest SHA256",
  );
});

test("connectionLine() is short for TLS 1.2 and towards a server", () => {
  const handshake = { protocol: "TLSv1.2", cipher: "ECDHE-RSA-AES128-GCM-SHA256", bits: 128 };
  const peer = { to: "mx.example.net[192.0.2.1]:25" };
  expect(connectionLine({ trust: "Verified", peer, handshake })).toBe(
    "Verified TLS connection established to mx.example.net[192.0.2.1]:25: TLSv1.2 with cipher " +
      "ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)",
  );
});
