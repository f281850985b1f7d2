import { expect, test } from "bun:test";
import { createApp, type HttpFacts } from "./app.ts";

const facts: HttpFacts = {
  version: "1",
  uptime: () => 7,
  readiness: () => Promise.resolve({ ready: true, reasons: [], queueProbe: 2 }),
  metrics: () => Promise.resolve("# TYPE x counter\nx 1\n"),
  acmeAnswer: (token) => token === "to-ken_1" ? "to-ken_1.thumb" : undefined,
  stsPolicy: (host) => host === "mta-sts.example.com" ? "version: STSv1\r\n" : undefined,
};

test("/healthz tells that the process lives", async () => {
  const answer = await createApp(facts).request("/healthz");
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ status: "ok", version: "1", uptime: 7 });
});

test("/readyz is 200 when mail can be taken, else 503 with the reasons", async () => {
  const up = await createApp(facts).request("/readyz");
  expect(up.status).toBe(200);
  expect(await up.json()).toEqual({ status: "ready", reasons: [], notes: [], queueProbe: 0.002 });
  const down = { ...facts, readiness: () => Promise.resolve({ ready: false, reasons: ["queue: full"] }) };
  const answer = await createApp(down).request("/readyz");
  expect(answer.status).toBe(503);
  expect(await answer.json()).toEqual({
    status: "not ready",
    reasons: ["queue: full"],
    notes: [],
    queueProbe: null,
  });
});

test("/metrics is Prometheus' text; other paths are 404; trouble is 503, not a stack", async () => {
  const answer = await createApp(facts).request("/metrics");
  expect(answer.headers.get("content-type")).toContain("version=0.0.4");
  expect(await answer.text()).toContain("x 1");
  expect((await createApp(facts).request("/etc/passwd")).status).toBe(404);
  const broken = createApp({ ...facts, metrics: () => Promise.reject(new Error("no worker")) });
  expect(await (await broken.request("/metrics")).json()).toEqual({ error: "no worker" });
});

test("an MTA-STS policy is served as plain text to whoever asks for its host", async () => {
  const get = (host: string) => createApp(facts).request("/.well-known/mta-sts.txt", { headers: { host } });
  const answer = await get("mta-sts.example.com");
  expect([answer.status, answer.headers.get("content-type"), await answer.text()]).toEqual([
    200,
    expect.stringMatching(/^text\/plain/),
    "version: STSv1\r\n",
  ]);
  expect((await get("example.com")).status).toBe(404);
});

test("an authority is answered with the proof that it asks for, and nothing else", async () => {
  const ask = async (token: string) => {
    const answer = await createApp(facts).request(`/.well-known/acme-challenge/${token}`);
    return [answer.status, await answer.text()];
  };
  expect(await ask("to-ken_1")).toEqual([200, "to-ken_1.thumb"]);
  expect((await ask("other"))[0]).toBe(404);
  expect((await ask("to-ken_1/more"))[0]).toBe(404);
});
