import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DnsAnswer } from "../../dns/answer.ts";
import { RecordStore } from "../../platform/database/record_store.ts";
import type { HttpResponse } from "../https/http_response.ts";
import type { HttpsFailure, HttpsRequest } from "../https/https_request.ts";
import { FileStsCache } from "./sts_cache.ts";
import { StsPolicies } from "./sts_policies.ts";

const DAY = 86_400;
const POLICY = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 604800\n";

let folder: string;
let now: number;
let dns: "trouble" | readonly string[];
let web: HttpResponse | HttpsFailure;
let asked: HttpsRequest[];
let notes: string[];
let caches: FileStsCache[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sts-"));
  now = 1_000_000_000;
  dns = ["v=STSv1; id=1;"];
  web = page(POLICY);
  [asked, notes, caches] = [[], [], []];
});
afterEach(() => {
  for (const cache of caches) cache.close();
  rmSync(folder, { recursive: true });
});

function page(text: string, status = 200, type = "text/plain; charset=utf-8"): HttpResponse {
  return { status, fields: new Map([["content-type", type]]), body: Buffer.from(text) };
}

/** As another worker, or after a restart. */
function policies(): StsPolicies {
  const cache = new FileStsCache(join(folder, "mta_sts.sqlite"), 1000, (text) => notes.push(text));
  caches.push(cache);
  const txt = (name: string): Promise<DnsAnswer<"TXT">> => {
    if (dns === "trouble") return Promise.resolve({ is: "trouble", why: "SERVFAIL", retry: true });
    if (dns.length === 0) return Promise.resolve({ is: "nodata", authentic: false });
    const records = dns.map((text) => ({ type: "TXT" as const, name, ttl: 60, text }));
    return Promise.resolve({ is: "records", records, canonical: name, authentic: false });
  };
  const ask = (request: HttpsRequest) => (asked.push(request), Promise.resolve(web));
  return new StsPolicies({ resolver: { txt }, ask, cache, now: () => now, note: (text) => notes.push(text) });
}

const FAILED: HttpsFailure = { failed: "connection", why: "Connection refused" };
const enforced = {
  is: "policy",
  policy: { mode: "enforce", mx: ["mx.example.com"], maxAge: 604_800 },
} as const;
/** Lets fetches that nobody waits for come to their end. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("MTA-STS policies", () => {
  test("are fetched once from the place that RFC 8461 names, and told to all who share the file", async () => {
    expect(await policies().find("Example.COM.")).toEqual(enforced);
    expect(await policies().find("example.com")).toEqual(enforced);
    expect(asked.map(({ host, port, path, verify, body }) => ({ host, port, path, verify, body }))).toEqual([{
      host: "mta-sts.example.com",
      port: 443,
      path: "/.well-known/mta-sts.txt",
      verify: true,
      body: undefined,
    }]);
    expect(statSync(join(folder, "mta_sts.sqlite")).mode & 0o777).toBe(0o600);
    expect(notes).toEqual(["MTA-STS policy of example.com: enforce, mx mx.example.com"]);
  });

  test("a domain without a record costs no fetch", async () => {
    dns = [];
    expect(await policies().find("example.com")).toEqual({ is: "none" });
    dns = "trouble";
    expect(await policies().find("example.com")).toEqual({ is: "none" });
    expect(await policies().find("[192.0.2.1]")).toEqual({ is: "none" });
    expect(asked).toEqual([]);
  });

  for (const [name, gone] of [["no record any more", []], ["DNS in trouble", "trouble"]] as const) {
    test(`a policy stays in force until max_age: ${name}`, async () => {
      await policies().find("example.com");
      dns = gone;
      web = FAILED;
      now += 604_799;
      expect(await policies().find("example.com")).toEqual(enforced);
      now += 1;
      expect(await policies().find("example.com")).toEqual({ is: "none" });
    });
  }

  test("a new id whose policy cannot be fetched, or is none, leaves the old one in force", async () => {
    await policies().find("example.com");
    dns = ["v=STSv1; id=2;"];
    for (
      const bad of [FAILED, page("x"), page(POLICY, 404), page(POLICY, 301), page(POLICY, 200, "text/html")]
    ) {
      web = bad;
      now += 301;
      expect(await policies().find("example.com")).toEqual(enforced);
    }
    expect(asked.length).toBe(6);
    web = page(POLICY.replace("mx.example", "new.example"));
    now += 301;
    expect(await policies().find("example.com")).toMatchObject({ policy: { mx: ["new.example.com"] } });
  });

  test("a failed fetch is told by kind, and not tried again for five minutes, by no worker", async () => {
    const kinds = [
      [FAILED, "sts-policy-fetch-error"],
      [{ failed: "name", why: "" }, "sts-policy-fetch-error"],
      [{ failed: "answer", why: "timed out" }, "sts-policy-fetch-error"],
      [{ failed: "certificate", why: "CERT_HAS_EXPIRED" }, "sts-webpki-invalid"],
      [page("no policy"), "sts-policy-invalid"],
      [page(POLICY.replace("604800", "31557601")), "sts-policy-invalid"],
      [page(POLICY, 302), "sts-policy-fetch-error"],
      [page(POLICY, 200, "text/html"), "sts-policy-fetch-error"],
      [page(POLICY, 200, "text/plainer"), "sts-policy-fetch-error"],
    ] as const;
    for (const [answer, failure] of kinds) {
      now += 300;
      web = answer;
      const before = asked.length;
      expect(await policies().find("example.com")).toMatchObject({ is: "failed", failure });
      now += 299;
      expect(await policies().find("example.com")).toMatchObject({ is: "failed", failure });
      expect(asked.length).toBe(before + 1);
      now += 1;
    }
  });

  test("a new id is fetched at once, the same one daily, without making mail wait", async () => {
    const one = policies();
    await one.find("example.com");
    now += DAY - 1;
    await one.find("example.com");
    expect(asked.length).toBe(1);
    now += 1;
    web = page(POLICY.replace("604800", "604801"));
    expect(await one.find("example.com")).toEqual(enforced);
    await settled();
    expect(asked.length).toBe(2);
    expect(await one.find("example.com")).toMatchObject({ policy: { maxAge: 604_801 } });
  });

  test("mode none takes a policy back; testing is told", async () => {
    await policies().find("example.com");
    dns = ["v=STSv1; id=2;"];
    web = page("version: STSv1\nmode: none\nmax_age: 86400");
    expect(await policies().find("example.com")).toEqual({ is: "none" });
    expect(await policies().find("example.com")).toEqual({ is: "none" });
    expect(asked.length).toBe(2);
    dns = ["v=STSv1; id=3;"];
    web = page(POLICY.replace("enforce", "testing"));
    expect(await policies().find("example.com")).toMatchObject({ policy: { mode: "testing" } });
  });

  test("max_age 0 holds for the delivery that fetched it", async () => {
    web = page(POLICY.replace("604800", "0"));
    expect(await policies().find("example.com")).toMatchObject({ is: "policy" });
    dns = [];
    now += 1;
    expect(await policies().find("example.com")).toEqual({ is: "none" });
  });

  test("deliveries at the same time share one fetch", async () => {
    const one = policies();
    await Promise.all([1, 2, 3].map(() => one.find("example.com")));
    expect(asked.length).toBe(1);
  });

  test("what is about to end is fetched ahead, unless nobody has needed it for a month", async () => {
    const one = policies();
    await one.find("example.com");
    web = page(POLICY.replace("604800", "31000000"));
    await one.refresh();
    expect(asked.length).toBe(1);
    now += 6 * DAY;
    await one.refresh();
    expect(asked.length).toBe(2);
    dns = "trouble";
    now += 31_000_000 - DAY;
    await one.refresh();
    expect(asked.length).toBe(2);
    expect(await one.find("example.com")).toMatchObject({ is: "policy" });
    await one.refresh();
    expect(asked.length).toBe(3);
  });

  test("what does not look like an entry of ours in the file is not believed", async () => {
    await policies().find("example.com");
    dns = [];
    const forged = [
      "",
      "{",
      '{"id":"1","fetched":1e12,"used":0,"policy":{"mode":"none","mx":[],"maxAge":1e20}}',
      '{"id":"1","fetched":0,"used":0,"policy":{"mode":"enforce","mx":["*"],"maxAge":1}}',
    ];
    for (const value of forged) {
      const store = new RecordStore(join(folder, "mta_sts.sqlite"), 10);
      store.put("example.com", { value, end: 2e9, precious: true });
      store.close();
      expect(await policies().find("example.com")).toEqual({ is: "none" });
    }
  });

  test("a damaged file is begun anew; what this process has seen still holds", async () => {
    const one = policies();
    await one.find("example.com");
    for (const cache of caches) cache.close();
    rmSync(join(folder, "mta_sts.sqlite-wal"), { force: true });
    writeFileSync(join(folder, "mta_sts.sqlite"), "this is no database".repeat(500));
    dns = [];
    expect(await one.find("example.com")).toEqual(enforced);
    expect(notes.at(-1)).toContain("the cache is thrown away and begun anew");
    expect(await policies().find("example.com")).toEqual({ is: "none" });
  });

  test("a disk that cannot be used costs fetches, not protection", async () => {
    rmSync(folder, { recursive: true });
    const one = policies();
    expect(await one.find("example.com")).toEqual(enforced);
    dns = [];
    expect(await one.find("example.com")).toEqual(enforced);
    folder = mkdtempSync(join(tmpdir(), "sts-"));
  });
});
