import { expect } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { selfMadeAuthority } from "../../test/kit/memory/authority.ts";
import { withPeers } from "../../test/kit/peers.ts";
import { AcmeFiles } from "./acme_files.ts";
import { AcmeFailure, failureOf } from "./advice.ts";
import { CertificateKeeper } from "./certificate_keeper.ts";

const { afterEach, test } = withPeers(import.meta.path, "openssl");

const DAY = 86_400_000;
const MINUTE = 60_000;
const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => fs.rmSync(folder, { recursive: true })));

function scene(names = ["mail.example.com"]) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "acme-"));
  folders.push(folder);
  const authority = selfMadeAuthority("Root");
  const issue = (of = names) => {
    const made = authority.issue({ name: of[0]!, names: of.map((name) => `DNS:${name}`).join(",") });
    return `${made.key}${made.certificate}`;
  };
  const it = {
    now: Date.now(),
    orders: 0,
    answer: (): string => issue(),
    issue,
    folder,
    files: new AcmeFiles(folder),
    keeper: (of = names) =>
      new CertificateKeeper({
        names: of,
        files: new AcmeFiles(folder),
        order: () => (it.orders++, Promise.resolve().then(() => it.answer())),
        now: () => it.now,
        chance: () => 0,
      }),
  };
  return it;
}

test("what is missing is ordered once, kept whole for nobody else to read, and renewed when that is due", async () => {
  const it = scene();
  const first = await it.keeper().round();
  expect(first.is).toBe("issued");
  const file = path.join(it.folder, "acme/certificate.pem");
  expect(fs.statSync(file).mode & 0o7777).toBe(0o600);
  expect(fs.statSync(path.dirname(file)).mode & 0o7777).toBe(0o700);
  expect(fs.readFileSync(file, "utf8")).toMatch(
    /^-----BEGIN (EC )?PRIVATE KEY[\s\S]*END CERTIFICATE-----\n$/,
  );
  expect((await it.keeper().round()).is).toBe("kept");
  it.now = first.next - 1;
  expect((await it.keeper().round()).is).toBe("kept");
  it.now = first.next;
  expect((await it.keeper().round()).is).toBe("issued");
  expect(it.orders).toBe(2);
});

test("other names, and somebody who asks, want a new one at once", async () => {
  const it = scene();
  await it.keeper().round();
  expect((await it.keeper().round(true)).is).toBe("issued");
  it.answer = () => it.issue(["mail.example.com", "mx.example.com"]);
  expect((await it.keeper(["mail.example.com", "mx.example.com"]).round()).is).toBe("issued");
  expect(it.orders).toBe(3);
});

test("failures are waited out, longer and longer, over restarts too, and the certificate of before stays", async () => {
  const it = scene();
  const good = await it.keeper().round();
  const kept = it.files.certificate();
  it.now = good.next;
  it.answer = () => {
    throw failureOf({
      type: "urn:ietf:params:acme:error:connection",
      detail: "Connection refused",
      name: "mail.example.com",
    });
  };
  const failed = await it.keeper().round();
  expect(failed).toMatchObject({ is: "failed", attempts: 1, next: it.now + 10 * MINUTE });
  it.now += 5 * MINUTE;
  expect(await it.keeper().round()).toMatchObject({ is: "waiting", next: failed.next });
  it.now = failed.next;
  expect(await it.keeper().round()).toMatchObject({ is: "failed", attempts: 2, next: it.now + 20 * MINUTE });
  expect(it.orders).toBe(3);
  expect(it.files.certificate()).toBe(kept);
  it.answer = () => it.issue();
  expect((await it.keeper().round(true)).is).toBe("issued");
  expect(it.files.state()).toEqual({ failures: 0 });
});

test("failures with other names do not count, and an authority that wants time has it", async () => {
  const it = scene();
  it.answer = () => {
    throw failureOf({ type: "urn:ietf:params:acme:error:rateLimited", detail: "too many" }, {
      retryAfter: DAY,
    });
  };
  expect(await it.keeper().round()).toMatchObject({ is: "failed", next: it.now + DAY });
  it.answer = () => it.issue(["mx.example.com"]);
  expect((await it.keeper(["mx.example.com"]).round()).is).toBe("issued");
});

test("an authority that does not answer is asked again after a minute: it has counted nothing", async () => {
  const it = scene();
  it.answer = () => {
    throw new AcmeFailure("cannot ask https://ca.example", { unreached: true });
  };
  expect(await it.keeper().round()).toMatchObject({ is: "failed", next: it.now + MINUTE });
});

test("two processes do not order at the same time, and the later one finds what the first has got", async () => {
  const it = scene();
  const release = Promise.withResolvers<void>();
  const slow = new CertificateKeeper({
    names: ["mail.example.com"],
    files: new AcmeFiles(it.folder),
    order: async () => (it.orders++, await release.promise, it.issue()),
    now: () => it.now,
    chance: () => 0,
  });
  const first = slow.round();
  expect(await it.keeper().round()).toMatchObject({ is: "busy", next: it.now + MINUTE });
  release.resolve();
  expect((await first).is).toBe("issued");
  expect((await it.keeper().round()).is).toBe("kept");
  expect(it.orders).toBe(1);
});

test("a certificate for other names or another key is not kept", async () => {
  const it = scene();
  it.answer = () => it.issue(["other.example.com"]);
  expect(await it.keeper().round()).toMatchObject({ is: "failed" });
  expect(it.files.certificate()).toBeUndefined();
});

test("a state that is damaged is none, and a fault of the machine is no failure of the authority", async () => {
  const it = scene();
  fs.mkdirSync(path.join(it.folder, "acme"));
  fs.writeFileSync(path.join(it.folder, "acme/state.json"), "{");
  expect((await it.keeper().round()).is).toBe("issued");
  it.answer = () => {
    throw new Error("ENOSPC");
  };
  await expect(it.keeper().round(true)).rejects.toThrow("ENOSPC");
  expect(it.files.state()).toEqual({ failures: 0 });
  expect(new AcmeFailure("x").retryAfter).toBeUndefined();
});
