import { canonicalIp } from "../../address/ip.ts";
import type { Families } from "../../dns/answer.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { connect, type Connection, type ConnectionHandler } from "../../platform/socket/connection.ts";
import type { PeerCertificate } from "../../platform/socket/start_tls.ts";
import { createTlsContext, type TlsContext } from "../../platform/socket/tls_context.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { VERSION } from "../../base/version.ts";
import type { Authorities, AuthoritiesFault } from "../verification/authorities.ts";
import { isHostMatch } from "../x509/names.ts";
import { judge } from "../verification/verification.ts";
import { troubleLine } from "../verify_trouble.ts";
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
  /** Whose signature under a server's certificate counts. */
  readonly authorities: () => Authorities | AuthoritiesFault;
  /** Whether an address may be spoken to: what a name leads to is for others to say. */
  readonly mayReach: (address: string) => boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
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

/** A server that may not be spoken to, for its certificate. */
class BadCertificate extends Error {}

/** Authorities that may stand above a server's certificate. */
const DEPTH = 9;

/** A context for each list of authorities, as long as the list is in use. */
const CONTEXTS = new WeakMap<Authorities, TlsContext>();

function contextFor(authorities: Authorities): TlsContext {
  const known = CONTEXTS.get(authorities);
  if (known !== undefined) return known;
  const versions = { lowest: "TLSv1.2", highest: "TLSv1.3" } as const;
  const made = createTlsContext({ ca: authorities.pem, versions });
  CONTEXTS.set(authorities, made);
  return made;
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
    const { host, port, body } = this.#request;
    const name = `${host}[${address}]:${port}`;
    let connection: Connection | undefined;
    try {
      connection = await (this.#world.connect ?? connect)(
        { host: address, port },
        { timeout: this.#left() },
        () => this.#handler(name),
      );
      await this.#turnToTls(connection, name);
    } catch (error) {
      connection?.destroy();
      if (error instanceof BadCertificate) return { failed: "certificate", why: error.message };
      return { failed: "connection", why: `${name}: ${systemErrorText(error)}` };
    }
    const late = setTimeout(() => this.#fail(`${name}: timed out`), this.#left());
    connection.write(head(this.#request));
    if (body !== undefined) connection.write(body.bytes);
    const answer = await this.#answered.promise;
    clearTimeout(late);
    connection.destroy();
    return answer;
  }

  /** The handshake ends whatever the certificate is, and is judged then, so that it can be told what is wrong. */
  async #turnToTls(connection: Connection, name: string): Promise<void> {
    const { host, verify } = this.#request;
    const authorities = this.#world.authorities();
    if ("problem" in authorities) throw new Error(authorities.problem);
    const { peer } = await connection.startTls({
      side: "client",
      context: contextFor(authorities),
      serverName: host,
      verify: false,
      timeout: this.#left(),
    });
    if (verify) this.#verify(peer, authorities, name);
  }

  /** The name has to stand among the alternatives: the common name is none (RFC 8461 §4.2, RFC 6125 §6.4.4). */
  #verify(peer: PeerCertificate | undefined, authorities: Authorities, name: string): void {
    const { host } = this.#request;
    const trust = {
      role: "server",
      authorities,
      names: [host],
      depth: DEPTH,
      now: this.#world.now(),
    } as const;
    const verdict = peer === undefined ? undefined : judge(peer, trust);
    if (verdict === undefined) throw new BadCertificate(`${name}: no certificate`);
    if (verdict.is === "untrusted") throw new BadCertificate(troubleLine(verdict.trouble, name, "server"));
    // An address has been looked for among the addresses.
    if (canonicalIp(host) !== undefined) return;
    if (verdict.certificate.hosts.some((each) => isHostMatch(each, host))) return;
    throw new BadCertificate(`${name}: the certificate does not name the host among its alternatives`);
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
