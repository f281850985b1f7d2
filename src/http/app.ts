import { Hono } from "hono";
import { EXPOSITION_TYPE } from "../observe/exposition.ts";

/** Whether mail can be taken now, and what stands in the way if not. */
export interface Readiness {
  readonly ready: boolean;
  /** One reason a line; empty when ready. */
  readonly reasons: readonly string[];
  /** What the operator should know though mail is taken. */
  readonly notes?: readonly string[];
  /** Slowest probe write of the queue, in milliseconds. */
  readonly queueProbe?: number;
}

/** What the pages are made of. */
export interface HttpFacts {
  readonly version: string;
  readonly uptime: () => number;
  readonly readiness: () => Promise<Readiness>;
  /** Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  /** The MTA-STS policy that somebody who asks for a host is given (RFC 8461 §3.3); undefined when there is none. */
  readonly stsPolicy: (host: string) => string | undefined;
  /** What an authority that asks for a token is answered (RFC 8555 §8.3); undefined when nobody has ordered anything. */
  readonly acmeAnswer: (token: string) => string | undefined;
}

/** Where a domain's MTA-STS policy is (RFC 8461 §3.2). */
export const STS_PATH = "/.well-known/mta-sts.txt";

/** Health, readiness, metrics, and our MTA-STS policy (`http_listen`). Nothing here changes anything, and nothing tells who writes to whom. */
export function createApp(facts: HttpFacts): Hono {
  const app = new Hono();
  app.get("/healthz", (c) => c.json({ status: "ok", version: facts.version, uptime: facts.uptime() }));
  app.get("/readyz", async (c) => {
    const { ready, reasons, notes = [], queueProbe } = await facts.readiness();
    return c.json(
      {
        status: ready ? "ready" : "not ready",
        reasons,
        notes,
        queueProbe: queueProbe === undefined ? null : queueProbe / 1000,
      },
      ready ? 200 : 503,
    );
  });
  app.get("/metrics", async (c) => c.text(await facts.metrics(), 200, { "content-type": EXPOSITION_TYPE }));
  app.get(STS_PATH, (c) => {
    const policy = facts.stsPolicy(c.req.header("host") ?? "");
    return policy === undefined
      ? c.notFound()
      : c.text(policy, 200, { "content-type": "text/plain; charset=utf-8" });
  });
  app.get("/.well-known/acme-challenge/:token", (c) => {
    const answer = facts.acmeAnswer(c.req.param("token"));
    return answer === undefined ? c.notFound() : c.text(answer);
  });
  app.notFound((c) => c.json({ error: "not found", see: ["/healthz", "/readyz", "/metrics"] }, 404));
  app.onError((error, c) => c.json({ error: error.message }, 503));
  return app;
}
