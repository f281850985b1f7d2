/** Where the authority asks for the proof (RFC 8555 §8.3). */
export const CHALLENGE_PATH = "/.well-known/acme-challenge/";
/** Proofs at a time: one for each name of an order. */
const MOST = 100;

/** What is answered to an authority that wants to see that a name leads here (HTTP-01). */
export class Challenges {
  readonly #answers = new Map<string, string>();
  readonly #heard: (token: string, answer: string | undefined) => void;

  /** `heard` is told of each change. */
  constructor(heard: (token: string, answer: string | undefined) => void = () => {}) {
    this.#heard = heard;
  }

  add(token: string, answer: string): void {
    if (this.#answers.size >= MOST || !isToken(token)) return;
    this.#answers.set(token, answer);
    this.#heard(token, answer);
  }

  remove(token: string): void {
    if (this.#answers.delete(token)) this.#heard(token, undefined);
  }

  answer(token: string): string | undefined {
    return this.#answers.get(token);
  }

  /** Answers a request to port 80: the proof that is asked for, and nothing else. */
  respond(request: Request): Response {
    const { pathname } = new URL(request.url);
    const answer = pathname.startsWith(CHALLENGE_PATH)
      ? this.answer(pathname.slice(CHALLENGE_PATH.length))
      : undefined;
    const type = { "content-type": "text/plain" };
    if (answer === undefined) return new Response("not found\n", { status: 404, headers: type });
    return new Response(answer, { headers: type });
  }
}

/** base64url, so that it is a piece of a path and a word of a line. */
export function isToken(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,200}$/.test(text);
}
