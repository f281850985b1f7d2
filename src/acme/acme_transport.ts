import { printable } from "../base/printable.ts";
import type { HttpsFailure, HttpsWorld } from "../tls/https/https_request.ts";
import { httpsRequest } from "../tls/https/https_request.ts";
import { AcmeFailure, type AcmeProblem } from "./advice.ts";

/** Bytes of an answer: a chain of certificates at most. */
const LARGEST_ANSWER = 1 << 20;
/** Milliseconds for a request. */
const TIMEOUT = 60_000;
const LONGEST_DETAIL = 500;

/** Requests to the authority, with our own HTTPS client: strict about certificates, with a deadline and a limit. */
export class AcmeTransport {
  readonly #world: HttpsWorld;
  #problem: AcmeProblem | undefined;
  #retryAfter: number | undefined;

  constructor(world: HttpsWorld) {
    this.#world = world;
  }

  /** What the authority has told last of what went wrong, and when it wants to be asked again, in milliseconds. */
  get trouble(): { readonly problem: AcmeProblem | undefined; readonly retryAfter: number | undefined } {
    return { problem: this.#problem, retryAfter: this.#retryAfter };
  }

  /** `fetch` as the client library calls it. Rejects with an AcmeFailure where there is no answer. */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.protocol !== "https:") throw new AcmeFailure(`acme_directory: ${url.origin} is not https`);
    const bytes = typeof init.body === "string" ? Buffer.from(init.body) : undefined;
    const answer = await httpsRequest({
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 443 : Number(url.port),
      path: `${url.pathname}${url.search}`,
      ...(bytes !== undefined && { body: { type: "application/jose+json", bytes } }),
      verify: true,
      bodyLimit: LARGEST_ANSWER,
      timeout: TIMEOUT,
    }, this.#world);
    if ("failed" in answer) throw new AcmeFailure(unreachable(url, answer), { unreached: true });
    if (answer.status >= 400) this.#note(answer.body.toString("utf8"), answer.fields.get("retry-after"));
    else this.#problem = this.#retryAfter = undefined;
    const isEmpty = answer.status === 204 || answer.status === 304;
    return new Response(isEmpty ? null : new Uint8Array(answer.body), {
      status: answer.status,
      headers: [...answer.fields],
    });
  };

  /** Makes it the `fetch` of this process: the client library has no other way to be given one. */
  install(): void {
    Object.defineProperty(globalThis, "fetch", { value: this.fetch, configurable: true, writable: true });
  }

  #note(body: string, retryAfter: string | undefined): void {
    this.#problem = problemIn(body);
    this.#retryAfter = retryAfter === undefined ? undefined : waitFor(retryAfter, this.#world.now());
  }
}

function unreachable({ origin }: URL, { failed, why }: HttpsFailure): string {
  const advice = {
    name: "see that the name servers know it",
    connection: "see that this machine may connect there",
    certificate: "where that is an authority of your own, name its certificate in acme_ca_file",
    answer: "see whether it is a directory of ACME at all",
  }[failed];
  return `cannot ask ${origin}: ${why}; ${advice} (acme_directory)`;
}

/** A problem document (RFC 7807); undefined for anything else. */
export function problemIn(body: string): AcmeProblem | undefined {
  try {
    const said: unknown = JSON.parse(body);
    return typeof said === "object" && said !== null ? problemOf(said) : undefined;
  } catch {
    return undefined;
  }
}

/** The same of what stands in an order or a challenge. Subproblems say it more exactly. */
export function problemOf(said: object): AcmeProblem | undefined {
  const value = (name: string): unknown => Object.entries(said).find(([each]) => each === name)?.[1];
  const subproblems = value("subproblems");
  const [first] = Array.isArray(subproblems) ? subproblems : [];
  if (typeof first === "object" && first !== null) return problemOf(first);
  const [type, detail, identifier] = [value("type"), value("detail"), value("identifier")];
  if (typeof type !== "string") return undefined;
  const name: unknown = typeof identifier === "object" && identifier !== null && "value" in identifier
    ? identifier.value
    : undefined;
  const text = (each: unknown) => printable(String(each).replace(/\s+/g, " ").slice(0, LONGEST_DETAIL));
  return {
    type: text(type),
    detail: typeof detail === "string" ? text(detail) : "",
    ...(typeof name === "string" && { name: text(name) }),
  };
}

/** Seconds or a date (RFC 9110 §10.2.3), in milliseconds from now. */
function waitFor(retryAfter: string, now: number): number | undefined {
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const date = Date.parse(retryAfter);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
