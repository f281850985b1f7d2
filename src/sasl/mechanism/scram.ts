import type { MaybeAsync } from "../../base/maybe_async.ts";
import { digest, hmac, isSameSecret } from "../../platform/crypto/digest.ts";
import type { ChannelBinding } from "../auth_backend.ts";
import {
  type ClientLogin,
  type ClientScript,
  malformed,
  NO_MORE_WORDS,
  refused,
  type ServerEnd,
  type ServerScript,
  unavailable,
} from "./exchange.ts";
import { saslprep } from "../password/saslprep.ts";
import { BUSY, type Gate } from "../password/gate.ts";
import { scramKeys } from "../password/scram_verifier.ts";
import type { ScramVerifier } from "../password/stored_password.ts";
import {
  type BindingFlag,
  type ClientFirst,
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
  printClientFinal,
  printClientFirstBare,
  printHeader,
  printServerFirst,
} from "./scram_messages.ts";

/** RFC 7677 §4 wants at least so many. A server that asks for fewer is after a proof that is quickly guessed. */
export const LEAST_ITERATIONS = 4096;
/**
 * About half a second of a processor, and more than any server needs to have. Keys are derived where files are synced too: who asks for
 * more keeps mail of others waiting.
 */
const MOST_ITERATIONS = 1_000_000;

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, at) => byte ^ other[at]!));
}

/**
 * Finds a user's verifier. For one who is not there, or has none, `username` is undefined and the verifier one that no password fits: the
 * dialogue goes on all the same.
 */
export type FindScram = (username: string) => MaybeAsync<
  | { readonly is: "verifier"; readonly username: string | undefined; readonly verifier: ScramVerifier }
  | { readonly is: "trouble"; readonly why: string }
>;

/** What the server's side needs to know. */
export interface ScramServerContext {
  readonly find: FindScram;
  /** SCRAM-SHA-256-PLUS. */
  readonly plus: boolean;
  /** Whether PLUS is offered on this connection: a client that has not seen that has been lied to. */
  readonly offersPlus: boolean;
  readonly channelBinding: (type: ChannelBinding) => Buffer | undefined;
  /** The server's half of the nonce, never used before. */
  readonly nonce: string;
}

/** The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). */
export async function* scramServer(initial: Buffer | undefined, context: ScramServerContext): ServerScript {
  const first = parseClientFirst(initial ?? (yield Buffer.alloc(0)));
  if (first === undefined) return malformed("invalid SCRAM client-first message");
  const { username } = first;
  const bound = boundTo(first, context);
  if (!Buffer.isBuffer(bound)) return bound;
  const found = await context.find((await saslprep(username)) ?? "");
  if (found.is === "trouble") return unavailable(found.why, username);
  const { verifier } = found;
  const nonce = first.nonce + context.nonce;
  const serverFirst = printServerFirst({ nonce, salt: verifier.salt, iterations: verifier.iterations });
  const final = parseClientFinal(yield Buffer.from(serverFirst));
  if (final === undefined) return malformed("invalid SCRAM client-final message", username);
  if (final.nonce !== nonce || !final.binding.equals(bound)) return refused(username);
  const proved = `${first.bare},${serverFirst},${final.withoutProof}`;
  if (!isProof(final.proof, verifier, proved) || found.username === undefined) return refused(username);
  if (first.authorizationId !== "" && first.authorizationId !== username) return refused(username);
  const signature = hmac("sha256", verifier.serverKey, proved);
  // SMTP's 235 has no room for it (RFC 4954 §4): it goes as a challenge, which the client acknowledges.
  const answer = yield Buffer.from(`v=${signature.toString("base64")}`);
  return answer.length === 0
    ? { is: "done", username: found.username }
    : malformed("invalid SCRAM acknowledgement");
}

/** The bytes that the client must say it is bound to: its own header, and what both ends see of the TLS connection. */
function boundTo({ binding, header }: ClientFirst, context: ScramServerContext): Buffer | ServerEnd {
  if (binding.flag === "y" && context.offersPlus) return malformed("SCRAM: channel binding was stripped");
  if ((binding.flag === "p") !== context.plus) return malformed("SCRAM: wrong channel binding flag");
  if (binding.flag !== "p") return Buffer.from(header);
  const data = isBindingType(binding.type) ? context.channelBinding(binding.type) : undefined;
  return data === undefined
    ? malformed("SCRAM: unsupported channel binding type")
    : Buffer.concat([Buffer.from(header), data]);
}

function isBindingType(type: string): type is ChannelBinding {
  return type === "tls-exporter" || type === "tls-server-end-point";
}

function isProof(proof: Buffer, { storedKey }: ScramVerifier, proved: string): boolean {
  if (proof.length !== storedKey.length) return false;
  const clientKey = xor(proof, hmac("sha256", storedKey, proved));
  return isSameSecret(digest("sha256", clientKey), storedKey);
}

/** What the client's side needs to know. */
export interface ScramClientContext {
  /** SCRAM-SHA-256-PLUS with this data; undefined for SCRAM-SHA-256. */
  readonly binding: { readonly type: ChannelBinding; readonly data: Buffer } | undefined;
  /** We could bind but the server does not offer it: `y` lets the server find out that somebody has changed its offer. */
  readonly couldBind: boolean;
  readonly nonce: string;
  /** Where the work waits for that of other logins; left out, nobody else logs in. */
  readonly gate?: Gate;
}

/** The client's side. The server, too, has to prove that it knows the password. */
export async function* scramClient(login: ClientLogin, context: ScramClientContext): ClientScript {
  const { binding, couldBind, nonce, gate } = context;
  const flag: BindingFlag = binding !== undefined
    ? { flag: "p", type: binding.type }
    : { flag: couldBind ? "y" : "n" };
  const header = printHeader(flag, login.authorizationId);
  const bare = printClientFirstBare((await saslprep(login.username)) ?? login.username, nonce);
  const challenge = yield { response: Buffer.from(header + bare), last: false };
  const first = parseServerFirst(challenge);
  if (first === undefined) return "the server's first SCRAM message is malformed";
  if (!first.nonce.startsWith(nonce) || first.nonce === nonce) return "the server does not know our nonce";
  if (first.iterations < LEAST_ITERATIONS || first.iterations > MOST_ITERATIONS) {
    return `the server asks for ${first.iterations} SCRAM iterations`;
  }
  const password = (await saslprep(login.secret)) ?? login.secret;
  const derive = () => scramKeys(password, first.salt, first.iterations);
  const keys = await (gate?.pass(derive) ?? derive());
  if (keys === BUSY) return "too many logins at a time";
  const { clientKey, serverKey } = keys;
  const bound = Buffer.concat([Buffer.from(header), binding?.data ?? Buffer.alloc(0)]);
  const withoutProof = printClientFinal(bound, first.nonce);
  const proved = `${bare},${challenge.toString()},${withoutProof}`;
  const proof = xor(clientKey, hmac("sha256", digest("sha256", clientKey), proved)).toString("base64");
  const signature = parseServerFinal(
    yield { response: Buffer.from(`${withoutProof},p=${proof}`), last: false },
  );
  if (signature === undefined || !isSameSecret(signature, hmac("sha256", serverKey, proved))) {
    return "the server has not proved that it knows the password";
  }
  yield { response: Buffer.alloc(0), last: true };
  return NO_MORE_WORDS;
}
