/** What an authority says of a failure (RFC 8555 §6.7, RFC 7807). */
export interface AcmeProblem {
  /** `urn:ietf:params:acme:error:connection`. */
  readonly type: string;
  readonly detail: string;
  /** The name that it is about, where it is about one. */
  readonly name?: string;
}

/** Why there is no certificate, in words for the operator. */
export class AcmeFailure extends Error {
  override readonly name = "AcmeFailure";
  /** Milliseconds to wait at least, where the authority says so. */
  readonly retryAfter: number | undefined;
  readonly problem: AcmeProblem | undefined;
  /** There was no answer: nobody has counted the attempt. */
  readonly isUnreached: boolean;

  constructor(
    text: string,
    more: {
      readonly problem?: AcmeProblem;
      readonly retryAfter?: number | undefined;
      readonly unreached?: boolean;
    } = {},
  ) {
    super(text);
    this.problem = more.problem;
    this.retryAfter = more.retryAfter;
    this.isUnreached = more.unreached === true;
  }
}

const NAMESPACE = "urn:ietf:params:acme:error:";

const LISTEN = { 80: "acme_http_listen", 443: "acme_tls_listen" } as const;

function anotherServer(name: string, port: 80 | 443): string {
  const pass = port === 80
    ? ", and that what listens there passes /.well-known/acme-challenge/ on to http_listen"
    : "";
  return `another server answers at port ${port} of ${name}: see that all A and AAAA records lead to this machine${pass}`;
}

/** What to change, by the kind of problem; `name` is the one that was to be proven. */
const ADVICE: Readonly<Record<string, (name: string, port: 80 | 443) => string>> = {
  dns: (name) =>
    `the authority does not find ${name} in the DNS: give it an A or AAAA record with the address of this machine, ` +
    "or take it out of acme_domains",
  connection: (name, port) =>
    `the authority cannot connect to port ${port} of ${name}: open port ${port} on the way here (firewall, router, security ` +
    `group), let ${LISTEN[port]} have it, and see that all addresses of the name lead to this machine`,
  tls: (name) =>
    `the authority finds no TLS at port 443 of ${name}: see that its addresses lead to this machine`,
  unauthorized: anotherServer,
  incorrectResponse: anotherServer,
  caa: (name) =>
    `a CAA record of ${name}, or of a domain above it, does not allow this authority: add it there`,
  rejectedIdentifier: (name) => `this authority issues nothing for ${name}: take it out of acme_domains`,
  unsupportedIdentifier: (name) => `this authority issues nothing for ${name}: take it out of acme_domains`,
  rateLimited: () => "this is the authority's limit for requests: it is tried again when that is over",
  userActionRequired: () =>
    "the authority's terms are others now: read them, and log in there as its text says",
  externalAccountRequired: () =>
    "this authority wants an account that was opened with it before, which is not there yet: choose another acme_directory",
  invalidContact: () => "correct acme_email",
  unsupportedContact: () => "correct acme_email",
};

/** A failure that the authority has told, with what would help. */
export function failureOf(
  problem: AcmeProblem,
  { port = 80, retryAfter }: { readonly port?: 80 | 443; readonly retryAfter?: number | undefined } = {},
): AcmeFailure {
  const kind = problem.type.startsWith(NAMESPACE) ? problem.type.slice(NAMESPACE.length) : "";
  const advice = ADVICE[kind]?.(problem.name ?? "the name", port);
  const about = problem.name === undefined ? "" : `${problem.name}: `;
  const said = `${about}${problem.detail || problem.type}`;
  return new AcmeFailure(advice === undefined ? said : `${said}; ${advice}`, { problem, retryAfter });
}
