import type { HttpsFailure, HttpsRequest } from "../https/https_request.ts";
import type { HttpResponse } from "../https/http_response.ts";
import type { StsFailure } from "./sts_entry.ts";
import { parseStsPolicy, type StsPolicy } from "./sts_policy.ts";

/** Asks a web server; see https/https_request.ts. */
export type AskHttps = (request: HttpsRequest) => Promise<HttpResponse | HttpsFailure>;

/** A policy that could not be had. */
export interface NotFetched {
  readonly failure: StsFailure;
  readonly why: string;
}

/** Most bytes of a policy, and milliseconds for all of the fetch (RFC 8461 §3.3). */
const POLICY_LIMIT = 65_536;
const TIME_LIMIT = 30_000;

const FAILURES = {
  name: "sts-policy-fetch-error",
  connection: "sts-policy-fetch-error",
  answer: "sts-policy-fetch-error",
  certificate: "sts-webpki-invalid",
} as const satisfies Record<HttpsFailure["failed"], StsFailure>;

/** Fetches a domain's policy: over verified HTTPS only, no redirect, status 200, plain text (RFC 8461 §3.3). */
export async function fetchStsPolicy(domain: string, ask: AskHttps): Promise<StsPolicy | NotFetched> {
  const host = `mta-sts.${domain}`;
  const answer = await ask({
    host,
    port: 443,
    path: "/.well-known/mta-sts.txt",
    accept: "text/plain",
    verify: true,
    bodyLimit: POLICY_LIMIT,
    timeout: TIME_LIMIT,
  });
  if ("failed" in answer) return { failure: FAILURES[answer.failed], why: answer.why };
  if (answer.status !== 200) return notFetched(`${host}: HTTP status ${answer.status}`);
  const type = answer.fields.get("content-type") ?? "";
  if (!/^text\/plain[ \t]*(?:;|$)/i.test(type)) {
    return notFetched(`${host}: content type "${type.slice(0, 60)}"`);
  }
  const policy = parseStsPolicy(answer.body.toString("utf8"));
  return "problem" in policy ? { failure: "sts-policy-invalid", why: `${host}: ${policy.problem}` } : policy;
}

function notFetched(why: string): NotFetched {
  return { failure: "sts-policy-fetch-error", why };
}
