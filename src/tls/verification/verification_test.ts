import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  asAuthority,
  authorityUnder,
  selfMadeAuthority,
  type TestAuthority,
} from "../../../test/kit/memory/authority.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { type Association, fingerprintAssociations } from "../x509/association.ts";
import { NO_AUTHORITIES } from "./authorities.ts";
import { certificateFingerprint, keyFingerprint, readCertificate } from "../x509/certificate.ts";
import { pemObjects } from "../x509/pem.ts";
import { readTrustAnchors } from "./trust_anchors.ts";
import { judge, type Trust } from "./verification.ts";
import { troubleLine } from "../verify_trouble.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "openssl");

const NAME = "mail.example.com";
let root: TestAuthority;
let between: TestAuthority;
let stranger: TestAuthority;
let folder: string;
const chains: Record<string, readonly Buffer[]> = {};

const derOf = (pem: string) => pemObjects(pem).objects.map(({ der }) => Buffer.from(der));

beforeAll(() => {
  [root, stranger] = [selfMadeAuthority("Good Root"), selfMadeAuthority("Other Root")];
  between = authorityUnder(root, "Between");
  const leaf = between.issue({ name: NAME, purpose: "serverAuth" });
  Object.assign(chains, {
    good: [...derOf(root.issue({ name: NAME }).certificate), ...derOf(root.certificate)],
    below: [...derOf(leaf.certificate), ...derOf(between.certificate)],
    whole: [...derOf(leaf.certificate), ...derOf(between.certificate), ...derOf(root.certificate)],
    alone: derOf(leaf.certificate),
    self: derOf(stranger.certificate),
    expired: [...derOf(root.issue({ name: NAME, expired: true }).certificate), ...derOf(root.certificate)],
    forClients: derOf(root.issue({ name: NAME, purpose: "clientAuth" }).certificate),
  });
  folder = mkdtempSync(join(tmpdir(), "anchors-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ofRoot = (der: Buffer) => derOf(root.certificate)[0]!.equals(der);

function says(chain: readonly Buffer[], trust: Partial<Trust> = {}, runtime?: string): string {
  const verdict = judge({ chain, trouble: runtime }, {
    role: "server",
    authorities: { pem: root.certificate, has: ofRoot },
    depth: 9,
    now: Date.now(),
    ...trust,
  });
  if (verdict === undefined) return "no certificate";
  if (verdict.is === "trusted") return verdict.name === undefined ? "trusted" : `trusted ${verdict.name}`;
  return troubleLine(verdict.trouble, "H:25", "server");
}

const FAILED = "certificate verification failed for H:25";

describe("judge() by authorities", () => {
  test("trusts what the runtime has found right and whose last signer is one of them", () => {
    expect(says(chains.good!)).toBe("trusted");
    expect(says(chains.whole!, { names: [".example.com"] })).toBe(`trusted ${NAME}`);
  });

  test("trusts a chain that holds though another one came along", () => {
    expect(says(chains.below!, { authorities: { pem: root.certificate, has: () => false } })).toBe("trusted");
  });

  test("says what is wrong in OpenSSL's order, nearest to the server first", () => {
    const issuer = "UNABLE_TO_VERIFY_LEAF_SIGNATURE";
    expect(says(chains.self!, {}, "DEPTH_ZERO_SELF_SIGNED_CERT")).toBe(`${FAILED}: self-signed certificate`);
    expect(says(chains.alone!, {}, issuer)).toBe(`${FAILED}: untrusted issuer /CN=Between`);
    expect(says(chains.below!, {}, issuer)).toBe(`${FAILED}: untrusted issuer /CN=Good Root`);
    expect(says(chains.whole!, { authorities: NO_AUTHORITIES }, "SELF_SIGNED_CERT_IN_CHAIN"))
      .toBe(`${FAILED}: untrusted issuer /CN=Good Root`);
    expect(says(chains.expired!, {}, "CERT_HAS_EXPIRED")).toBe(`server ${FAILED}: certificate has expired`);
    expect(says(chains.forClients!, {}, issuer)).toBe(`${FAILED}: untrusted issuer /CN=Good Root`);
    expect(says(chains.below!, { names: ["other.example"] }, issuer))
      .toBe(`server ${FAILED}: num=62:hostname mismatch`);
    expect(says(chains.expired!, { names: ["other.example"] }, "CERT_HAS_EXPIRED"))
      .toBe(`server ${FAILED}: num=62:hostname mismatch`);
    expect(says(chains.good!, { names: ["192.0.2.1"] })).toBe(`server ${FAILED}: num=64:IP address mismatch`);
    expect(says(chains.whole!, { depth: -1 })).toBe(`${FAILED}: certificate chain longer than limit(0)`);
    expect(says(chains.whole!, { depth: 0 })).toBe("trusted");
  });

  test("never trusts what the runtime does not, whatever it looks like here", () => {
    expect(says(chains.good!, {}, "CERT_SIGNATURE_FAILURE"))
      .toBe(`server ${FAILED}: num=7:certificate signature failure`);
    expect(says(chains.good!, {}, "SOMETHING_NEW")).toContain("num=1:");
    expect(says(chains.good!, { authorities: NO_AUTHORITIES })).toBe(
      `${FAILED}: untrusted issuer /CN=Good Root`,
    );
    expect(says([Buffer.from("no certificate")])).toBe("no certificate");
  });
});

describe("judge() of a client that shows a certificate for servers", () => {
  const purpose = "INVALID_PURPOSE";
  const client = (chain: readonly Buffer[], more: Partial<Trust> = {}, runtime: string = purpose) =>
    says(chain, { role: "client", takesServers: true, ...more }, runtime);

  test("trusts what an authority has signed, with what lies between, where that is asked for", () => {
    expect(says(chains.below!, { role: "client" }, purpose)).toContain("not designated for use as a");
    expect(client(chains.below!)).toBe("trusted");
    expect(client(chains.whole!)).toBe("trusted");
    const both = `${root.certificate}${between.certificate}`;
    expect(client(chains.alone!, { authorities: { pem: both, has: () => false } })).toBe("trusted");
  });

  test("trusts nothing else, though the runtime told of no more than the purpose", () => {
    expect(client(chains.alone!)).toBe(`${FAILED}: untrusted issuer /CN=Between`);
    const others = { pem: stranger.certificate, has: () => false };
    expect(client(chains.whole!, { authorities: others })).toBe(`${FAILED}: untrusted issuer /CN=Good Root`);
    expect(client(chains.below!, { authorities: NO_AUTHORITIES })).toContain("untrusted issuer");
    const expired = root.issue({ name: NAME, purpose: "serverAuth", expired: true });
    expect(client(derOf(expired.certificate))).toContain("certificate has expired");
    // A name that is right, signed by somebody else who calls himself so.
    const forger = selfMadeAuthority("Good Root");
    const forged = derOf(forger.issue({ name: NAME, purpose: "serverAuth" }).certificate);
    expect(client(forged)).toContain("untrusted issuer");
    expect(client([...forged, ...derOf(root.certificate)])).toContain("num=2:");
    const server = root.issue({ name: "server.example.com", purpose: "serverAuth" });
    const below = derOf(asAuthority(server).issue({ name: NAME, purpose: "serverAuth" }).certificate);
    expect(client([...below, ...derOf(server.certificate)])).toContain("num=79:invalid CA certificate");
  });

  test("leaves certificates for clients, and for anything, to the runtime", () => {
    expect(client(chains.forClients!, {}, "CERT_SIGNATURE_FAILURE")).not.toBe("trusted");
    expect(client(chains.good!, {}, "CERT_SIGNATURE_FAILURE")).toContain("num=7:");
  });
});

/** Associations with the certificates of PEM text, as a trust anchor file has them. */
function anchors(pem: string): readonly Association[] {
  const file = join(folder, "anchors.pem");
  writeFileSync(file, pem);
  const read = readTrustAnchors(file);
  if ("problem" in read) throw new Error(read.problem);
  return read;
}

describe("judge() by associations", () => {
  const nobody = { authorities: NO_AUTHORITIES };
  const by = (pem: string, more: Partial<Trust> = {}) => ({ ...nobody, associations: anchors(pem), ...more });

  test("trusts what a trust anchor has signed, whether it comes along or not", () => {
    for (const chain of [chains.whole!, chains.below!]) {
      expect(says(chain, by(root.certificate, { names: [NAME] }))).toBe(`trusted ${NAME}`);
      expect(says(chain, by(between.certificate))).toBe("trusted");
    }
    expect(says(chains.alone!, by(between.certificate))).toBe("trusted");
    expect(says(chains.alone!, by(root.certificate))).toBe(
      `server ${FAILED}: num=65:no matching DANE TLSA records`,
    );
  });

  test("trusts what a bare key has signed", () => {
    const key = readCertificate(derOf(between.certificate)[0]!)!.publicKey.toString("base64");
    expect(says(chains.alone!, by(`-----BEGIN PUBLIC KEY-----\n${key}\n-----END PUBLIC KEY-----\n`))).toBe(
      "trusted",
    );
  });

  test("asks for name, date and use below an anchor, and for the name alone where the certificate is the anchor", () => {
    expect(says(chains.below!, by(root.certificate, { names: ["other.example"] }))).toContain("num=62");
    expect(says(chains.expired!, by(root.certificate))).toBe(`server ${FAILED}: certificate has expired`);
    expect(says(chains.forClients!, by(root.certificate))).toContain("not designated for use as a server");
    const own = anchors(
      `-----BEGIN CERTIFICATE-----\n${chains.expired![0]!.toString("base64")}\n-----END CERTIFICATE-----\n`,
    );
    expect(says(chains.expired!, { ...nobody, associations: own, names: [NAME] })).toBe(`trusted ${NAME}`);
    expect(says(chains.expired!, { ...nobody, associations: own, names: ["other.example"] }))
      .toBe(`server ${FAILED}: num=62:hostname mismatch`);
  });

  test("no authority's word counts, nor a signer's who may not sign", () => {
    expect(says(chains.good!, { associations: anchors(stranger.certificate) })).toContain("num=65");
    const server = root.issue({ name: "server.example.com" });
    const chain = [
      ...derOf(asAuthority(server).issue({ name: NAME }).certificate),
      ...derOf(server.certificate),
      ...derOf(root.certificate),
    ];
    expect(says(chain, by(root.certificate))).toBe(`CA ${FAILED}: num=79:invalid CA certificate`);
  });

  test("a fingerprint is of the certificate or of its key, with colons or without, in any case", () => {
    const own = readCertificate(chains.self![0]!)!;
    for (
      const print of [certificateFingerprint(own, "sha256"), keyFingerprint(own, "sha256").toLowerCase()]
    ) {
      for (const written of [print, print.replaceAll(":", "")]) {
        expect(says(chains.self!, { associations: fingerprintAssociations(written, "sha256")! })).toBe(
          "trusted",
        );
      }
    }
    expect(says(chains.good!, { associations: fingerprintAssociations("AB:CD", "sha256")! }))
      .toBe(`server ${FAILED}: num=65:no matching DANE TLSA records`);
    expect(fingerprintAssociations("AB:C", "sha256")).toBeUndefined();
  });
});
