import { systemErrorText } from "../system_error.ts";
import { systemCa } from "./certificate_authorities.ts";

/** A request to a web server. */
export interface HttpRequest {
  readonly url: string;
  /** Fields of a form, sent by POST; a GET when left out. */
  readonly form?: Readonly<Record<string, string>>;
  /** `user:password` of HTTP's Basic scheme. */
  readonly basic?: string | undefined;
  /** Milliseconds for all of it. */
  readonly timeout: number;
  /** Bytes of an answer that are read at most. */
  readonly limit: number;
}

/** What came back, or why nothing did. */
export type HttpResult =
  | { readonly is: "answer"; readonly status: number; readonly text: string }
  | { readonly is: "trouble"; readonly why: string };

/** Asks a web server, under the system's authorities; what it redirects to is not followed. */
export async function askHttp({ url, form, basic, timeout, limit }: HttpRequest): Promise<HttpResult> {
  try {
    const response = await fetch(url, {
      method: form === undefined ? "GET" : "POST",
      ...(form !== undefined && { body: new URLSearchParams(form) }),
      headers: {
        accept: "application/json",
        ...(basic !== undefined && { authorization: `Basic ${Buffer.from(basic).toString("base64")}` }),
      },
      redirect: "error",
      signal: AbortSignal.timeout(timeout),
      tls: { ca: systemCa() },
    });
    const text = await boundedText(response, limit);
    return text === undefined
      ? { is: "trouble", why: `${hostOf(url)}: the answer has more than ${limit} bytes` }
      : { is: "answer", status: response.status, text };
  } catch (error) {
    return { is: "trouble", why: `${hostOf(url)}: ${reasonOf(error)}` };
  }
}

async function boundedText(response: Response, limit: number): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > limit) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** A URL may hold what is secret behind its host. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "no URL";
}

function reasonOf(error: unknown): string {
  const isLate = error instanceof Error && error.name === "TimeoutError";
  return isLate ? "no answer in time" : systemErrorText(error);
}

/** Whether a URL may be asked for what is secret: over TLS, or on this machine. */
export function isSafeUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" ||
    (protocol === "http:" && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname));
}
