import { expect } from "bun:test";
import { type SelfSigned, selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { createTlsContext, type TlsContext } from "../../platform/socket/tls_context.ts";
import { type Chains, materialOf } from "./chain.ts";
import { type ChainSettings, ownFilesOf } from "./chain_parameters.ts";
import { type Attempt, OwnCertificates } from "./own_certificates.ts";

const { beforeAll, test } = withPeers(import.meta.path, "openssl");

const SETTINGS: ChainSettings<"smtpd"> = {
  smtpd_tls_chain_files: "",
  smtpd_tls_cert_file: "/cert",
  smtpd_tls_key_file: "/key",
  smtpd_tls_eccert_file: "",
  smtpd_tls_eckey_file: "",
  smtpd_tls_dcert_file: "",
  smtpd_tls_dkey_file: "",
};

/** Files in memory, a clock, and what the certificates said and did. */
interface Scene {
  now: number;
  looks: number;
  reads: number;
  readonly attempts: Attempt[];
  /** What was good before this process. */
  lastGood: string | undefined;
  /** What the system says to whoever reads. */
  broken: NodeJS.ErrnoException | undefined;
  readonly write: (path: string, text: string) => void;
  readonly remove: (path: string) => void;
  readonly later: (milliseconds: number) => void;
  /** The certificates in use, PEM. */
  readonly shown: () => string[];
  readonly own: OwnCertificates;
}

function scene(settings: Partial<ChainSettings<"smtpd">> = {}, make?: (chains: Chains) => TlsContext): Scene {
  const files = new Map<string, { text: string; changed: number }>();
  const scene: Scene = {
    now: 1_000_000,
    looks: 0,
    reads: 0,
    attempts: [],
    broken: undefined,
    lastGood: undefined,
    write: (path: string, text: string) => void files.set(path, { text, changed: scene.now }),
    remove: (path: string) => void files.delete(path),
    later: (milliseconds: number) => void (scene.now += milliseconds),
    shown: () => {
      scene.own.current();
      return [...scene.own.chains.values()].map(({ certificatePem }) => certificatePem);
    },
    own: new OwnCertificates({
      files: ownFilesOf("smtpd", { ...SETTINGS, ...settings }),
      world: {
        now: () => scene.now,
        stampOf: (path) => {
          scene.looks++;
          const file = files.get(path);
          return file && { text: `${path} ${file.changed} ${file.text.length}`, changed: file.changed };
        },
        lastGood: (paths) => paths.join() === "/cert,/key" ? scene.lastGood : undefined,
        read: (path) => {
          scene.reads++;
          if (scene.broken !== undefined) throw scene.broken;
          const file = files.get(path);
          if (file === undefined) throw Object.assign(new Error("no file"), { code: "ENOENT" });
          return file.text;
        },
      },
      makeContext: make ?? ((chains) => createTlsContext({ ca: "", ...materialOf(chains) })),
      heard: (attempt) => void scene.attempts.push(attempt),
    }),
  };
  return scene;
}

let old: SelfSigned;
let renewed: SelfSigned;
beforeAll(() => void ([old, renewed] = [selfSigned("old.example"), selfSigned("new.example")]));

/** With a good pair in place for a while. */
function served() {
  const it = scene();
  it.write("/cert", old.certificate);
  it.write("/key", old.key);
  it.later(60_000);
  expect(it.own.current()).toBeDefined();
  return it;
}

test("connections in the same second cost no look at the files, and no connection reads files that are as they were", () => {
  const it = served();
  const [{ looks, reads }, context] = [it, it.own.current()];
  for (let n = 0; n < 100; n++) expect(it.own.current()).toBe(context!);
  expect([it.looks, it.reads]).toEqual([looks, reads]);
  for (let n = 0; n < 100; n++) {
    it.later(1001);
    expect(it.own.current()).toBe(context!);
  }
  expect([it.looks, it.reads]).toEqual([looks + 200, reads]);
  expect(it.attempts.map(({ is }) => is)).toEqual(["loaded"]);
});

test("a renewed pair that lies still is in use at the next connection, and within two seconds at any rate", () => {
  const it = served();
  it.write("/cert", renewed.certificate);
  it.write("/key", renewed.key);
  it.later(3_600_000);
  expect(it.shown()).toEqual([renewed.certificate.trim()]);
  it.write("/cert", old.certificate);
  it.write("/key", old.key);
  it.later(500);
  expect(it.shown()).toEqual([renewed.certificate.trim()]);
  it.later(1500);
  expect(it.shown()).toEqual([old.certificate.trim()]);
  expect(it.attempts.map(({ is }) => is)).toEqual(["loaded", "loaded", "loaded"]);
});

test("files whose times are ahead of ours are in use when two looks find them the same", () => {
  const it = served();
  it.now += 3_600_000;
  it.write("/cert", renewed.certificate);
  it.write("/key", renewed.key);
  it.now -= 3_600_000;
  it.later(1001);
  expect(it.shown()).toEqual([old.certificate.trim()]);
  it.later(1001);
  expect(it.shown()).toEqual([renewed.certificate.trim()]);
});

test("while the pair is being written the old one is served and nothing is said", () => {
  const it = served();
  for (let n = 0; n < 10; n++) {
    it.write("/cert", renewed.certificate.slice(0, 100 + n));
    it.later(900);
    expect(it.shown()).toEqual([old.certificate.trim()]);
  }
  expect(it.attempts).toHaveLength(1);
});

test("a broken pair keeps the old one and is told of once, whatever comes; a good one ends that", () => {
  const it = served();
  it.write("/cert", renewed.certificate);
  for (let n = 0; n < 20; n++) {
    it.later(5000);
    expect(it.shown()).toEqual([old.certificate.trim()]);
  }
  expect(it.attempts.map(({ is }) => is)).toEqual(["loaded", "kept"]);
  expect(it.own.trouble?.words).toEqual([
    'cannot get RSA private key from file "/key": disabling TLS support',
  ]);
  it.remove("/key");
  it.later(5000);
  expect(it.shown()).toEqual([old.certificate.trim()]);
  it.write("/key", renewed.key);
  it.later(5000);
  expect(it.shown()).toEqual([renewed.certificate.trim()]);
  expect(it.own.trouble).toBeUndefined();
  expect(it.attempts.map(({ is }) => is)).toEqual(["loaded", "kept", "kept", "loaded"]);
});

test("without a good pair at first there is none, and it is there when the files are mended", () => {
  const it = scene();
  it.write("/cert", old.certificate);
  it.later(60_000);
  expect(it.own.current()).toBeUndefined();
  it.later(5000);
  expect(it.own.current()).toBeUndefined();
  expect(it.attempts.map(({ is }) => is)).toEqual(["unavailable"]);
  it.write("/key", old.key);
  it.later(5000);
  expect(it.own.current()).toBeDefined();
  expect(it.attempts.map(({ is }) => is)).toEqual(["unavailable", "loaded"]);
});

test("what the system refuses for a moment is tried again without a change of the files", () => {
  const it = scene();
  it.write("/cert", old.certificate);
  it.write("/key", old.key);
  it.later(60_000);
  it.broken = Object.assign(new Error("too many"), { code: "EMFILE" });
  expect(it.own.current()).toBeUndefined();
  it.broken = undefined;
  expect(it.own.current()).toBeUndefined();
  it.later(1001);
  expect(it.own.current()).toBeDefined();
});

test("a server without files has no TLS, in Postfix's words; a client has a context that shows nothing", () => {
  const none = scene({ smtpd_tls_cert_file: "", smtpd_tls_key_file: "" });
  expect(none.own.current()).toBeUndefined();
  expect(none.own.trouble?.words).toEqual(["No server certs available. TLS won't be enabled"]);
  const { smtpd_tls_key_file: empty } = { smtpd_tls_key_file: "" };
  const client = new OwnCertificates({
    files: ownFilesOf("smtp", {
      smtp_tls_chain_files: "",
      smtp_tls_cert_file: empty,
      smtp_tls_key_file: empty,
      smtp_tls_eccert_file: "",
      smtp_tls_eckey_file: "",
      smtp_tls_dcert_file: "",
      smtp_tls_dkey_file: "",
    }),
    world: { now: () => 0, stampOf: () => undefined, read: () => "" },
    makeContext: (chains) => createTlsContext({ ca: "", ...materialOf(chains) }),
  });
  expect(client.current()).toBeDefined();
});

test("a context that cannot be made leaves the one of before", () => {
  let ciphers = "HIGH";
  const it = scene({}, (chains) => createTlsContext({ ca: "", ciphers, ...materialOf(chains) }));
  it.write("/cert", old.certificate);
  it.write("/key", old.key);
  it.later(60_000);
  const context = it.own.current();
  ciphers = "NONSENSE";
  it.write("/key", `${old.key}\n`);
  it.later(60_000);
  expect(it.own.current()).toBe(context!);
  expect(it.attempts.map(({ is }) => is)).toEqual(["loaded", "kept"]);
});

test("a clock that is set back does not stop the looks", () => {
  const it = served();
  it.now -= 86_400_000;
  it.write("/cert", renewed.certificate);
  it.write("/key", renewed.key);
  it.later(2000);
  expect(it.shown()).toEqual([renewed.certificate.trim()]);
});

test("a process that begins with a broken pair goes on with what was good before, and with the files when they are mended", () => {
  const it = scene();
  it.write("/cert", renewed.certificate);
  it.write("/key", old.key);
  it.lastGood = `${old.key}\n${old.certificate}`;
  it.later(60_000);
  expect(it.shown()).toEqual([old.certificate.trim()]);
  expect(it.own.trouble).toBeDefined();
  expect(it.attempts.map(({ is }) => is)).toEqual(["kept"]);
  it.write("/key", renewed.key);
  it.later(60_000);
  expect(it.shown()).toEqual([renewed.certificate.trim()]);
  const none = scene();
  none.lastGood = "no PEM";
  expect(none.own.current()).toBeUndefined();
});
