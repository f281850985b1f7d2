import { expect } from "bun:test";
import { selfMadeAuthority } from "../../test/kit/memory/authority.ts";
import { withPeers } from "../../test/kit/peers.ts";
import { readCertificate } from "../tls/x509/certificate.ts";
import { pemObjects } from "../tls/x509/pem.ts";
import { pauseAfter, renewalTime } from "./schedule.ts";

const { test } = withPeers(import.meta.path, "openssl");

test("a certificate is renewed with a third of its life left, or a twentieth of it earlier, each at its own time", () => {
  const authority = selfMadeAuthority("Root");
  const times = [1, 2, 3, 4].map(() => {
    const { certificate } = authority.issue({ name: "mail.example.com" });
    const read = readCertificate(Buffer.from(pemObjects(certificate).objects[0]!.der))!;
    const left = (read.notAfter - renewalTime(read)) / (read.notAfter - read.notBefore);
    expect(left).toBeGreaterThanOrEqual(1 / 3);
    expect(left).toBeLessThan(1 / 3 + 1 / 20);
    expect(renewalTime(read)).toBe(renewalTime(read));
    return left;
  });
  expect(new Set(times).size).toBe(4);
});

test("pauses after failures double from ten minutes to half a day, spread by a quarter; from one where there was no answer", () => {
  expect([1, 2, 3, 4, 20].map((failures) => pauseAfter(failures, 0, "refused") / 60_000)).toEqual([
    10,
    20,
    40,
    80,
    720,
  ]);
  expect(pauseAfter(1, 1, "refused")).toBe(12.5 * 60_000);
  expect([1, 2, 3].map((failures) => pauseAfter(failures, 0, "unreached") / 60_000)).toEqual([1, 2, 4]);
});
