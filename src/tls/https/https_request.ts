import type { Families } from "../../dns/answer.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { connect, type Connection, type ConnectionHandler } from "../../platform/socket/connection.ts";
import type { TlsContext } from "../../platform/socket/tls_context.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { VERSION } from "../../base/version.ts";
import { BadResponse, type HttpResponse, ResponseReader } from "./http_response.ts";

/** What is asked for. */
export interface HttpsRequest {
  /** A host name in ASCII, or an IP address. */
  readonly host: string;
  readonly port: number;
  /** With its query, percent-encoded. */
  readonly path: string;
  readonly accept?: string;
  /** Sent by POST; without it the request is a GET. */
  readonly body?: { readonly type: string; readonly bytes: Uint8Array };
  /** Whether the server's certificate has to be right; in any case the connection is encrypted. */
  readonly verify: boolean;
  /** Most bytes of the answer's body. */
  readonly bodyLimit: number;
  /** Milliseconds for all of it. */
  readonly timeout: number;
}

/** What it is asked with. */
export interface HttpsWorld {
  readonly resolver: Pick<Resolver, "addresses">;
  readonly families: Families;
  /** Certificates of those who are trusted, and TLS 1.2 at least. */
  readonly context: () => TlsContext;
  /** Whether an address may be spoken to: what a name leads to is for others to say. */
  readonly mayReach: (address: string) => boolean;
  readonly connect?: typeof connect;
}

/** Why there is no answer: the name, the way there, the certificate, or what came back. */
export interface HttpsFailure {
  readonly failed: "name" | "connection" | "certificate" | "answer";
  readonly why: string;
}

/** Addresses of one host that are tried. */
const MOST_ADDRESSES = 4;

/** Asks and waits for the whole answer. Never rejects. */
export async function httpsRequest(
  request: HttpsRequest,
  world: HttpsWorld,
): Promise<HttpResponse | HttpsFailure> {
  const ends = performance.now() + request.timeout;
  const signal = AbortSignal.timeout(request.timeout);
  const found = await addressesOf(request.host, world, signal);
  if ("failed" in found) return found;
  let last: HttpsFailure = { failed: "connection", why: "no address could be tried" };
  for (const address of found.slice(0, MOST_ADDRESSES)) {
    const answer = await new Exchange(request, world, ends).run(address);
    if (!("failed" in answer) || answer.failed !== "connection") return answer;
    last = answer;
    if (performance.now() >= ends) break;
  }
  return last;
}

async function addressesOf(
  host: string,
  { resolver, families, mayReach }: HttpsWorld,
  signal: AbortSignal,
): Promise<readonly string[] | HttpsFailure> {
  const answer = await resolver.addresses(host, families, signal);
  if (answer.is !== "records") {
    const why = answer.is === "trouble" ? answer.why : "Host not found";
    return { failed: "name", why: `${host}: ${why}` };
  }
  const addresses = answer.addresses.map(({ address }) => address);
  const allowed = addresses.filter(mayReach);
  return allowed.length > 0
    ? allowed
    : { failed: "connection", why: `${host}[${addresses[0]}]: tls_https_denied_networks has this address` };
}

/** One connection with one request. */
class Exchange {
  readonly #request: HttpsRequest;
  readonly #world: HttpsWorld;
  readonly #ends: number;
  readonly #reader: ResponseReader;
  readonly #answered = Promise.withResolvers<HttpResponse | HttpsFailure>();

  constructor(request: HttpsRequest, world: HttpsWorld, ends: number) {
    this.#request = request;
    this.#world = world;
    this.#ends = ends;
    this.#reader = new ResponseReader(request.bodyLimit);
  }

  async run(address: string): Promise<HttpResponse | HttpsFailure> {
    const { host, port, verify } = this.#request;
    const name = `${host}[${address}]:${port}`;
    let connection: Connection;
    try {
      connection = await (this.#world.connect ?? connect)(
        { host: address, port },
        { timeout: this.#left(), tls: { context: this.#world.context(), serverName: host, verify } },
        () => this.#handler(name),
      );
    } catch (error) {
      const failed = isAboutCertificate(error) ? "certificate" : "connection";
      return { failed, why: `${name}: ${systemErrorText(error)}` };
    }
    const late = setTimeout(() => this.#fail(`${name}: timed out`), this.#left());
    connection.write(head(this.#request));
    if (this.#request.body !== undefined) connection.write(this.#request.body.bytes);
    const answer = await this.#answered.promise;
    clearTimeout(late);
    connection.destroy();
    return answer;
  }

  #left(): number {
    return Math.max(1, this.#ends - performance.now());
  }

  #fail(why: string): void {
    this.#answered.resolve({ failed: "answer", why });
  }

  #handler(name: string): ConnectionHandler {
    const guarded = (work: () => HttpResponse | undefined) => {
      try {
        const answer = work();
        if (answer !== undefined) this.#answered.resolve(answer);
      } catch (error) {
        if (!(error instanceof BadResponse)) throw error;
        this.#fail(`${name}: ${error.message}`);
      }
    };
    return {
      data: (chunk) => guarded(() => this.#reader.push(chunk)),
      end: () => guarded(() => this.#reader.end()),
      drain: () => {},
      timeout: () => {},
      close: (error) =>
        this.#fail(`${name}: ${error === undefined ? "lost connection" : systemErrorText(error)}`),
    };
  }
}

function head({ host, port, path, accept, body }: HttpsRequest): string {
  const shown = host.includes(":") ? `[${host}]` : host;
  const lines = [
    `${body === undefined ? "GET" : "POST"} ${path} HTTP/1.1`,
    `Host: ${port === 443 ? shown : `${shown}:${port}`}`,
    `User-Agent: mta/${VERSION}`,
    `Accept: ${accept ?? "*/*"}`,
    "Connection: close",
  ];
  if (body !== undefined) lines.push(`Content-Type: ${body.type}`, `Content-Length: ${body.bytes.length}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** What OpenSSL and the runtime say of certificates that are not right (X509_verify_cert_error_string(3)). */
function isAboutCertificate(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /CERT|ISSUER|ALTNAME|SELF_SIGNED|CRL|CHAIN|PURPOSE|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH/.test(
    code,
  );
}
