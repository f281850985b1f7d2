import { decodeBase64 } from "../../../base/base64.ts";
import { chooseMechanism, type ChosenMechanism } from "../../../sasl/client/client_mechanisms.ts";
import { unknownSecurityOptions } from "../../../sasl/security_options.ts";
import type { ServerReply } from "../../../smtp/reply_reader.ts";
import { isLost, type Session } from "../client_session.ts";
import { type Failure, localFailure, refusal } from "../failure.ts";
import { helloStage, lostFailure, type OpeningContext, type OpeningStep } from "../opening.ts";
import type { ClientLogins } from "./client_logins.ts";
import type { Login } from "./password_entry.ts";

/** Why a client stops that is asked for something in no base64, in Cyrus' words. */
const NO_BASE64 = "another step is needed in authentication";

/** What of a line of the dialogue nobody else may see: all but the command and the name of the mechanism. */
const SECRET = /(?<=^AUTH \S+ )[^]+|^(?!AUTH )[^]+/;

/** Logs in where there is a password for the server and it offers AUTH (RFC 4954). */
export function logIn(logins: ClientLogins): OpeningStep {
  return async (session, context) => {
    const { login: demand } = session.key;
    const { auth } = session.features;
    if (auth === undefined || demand.is === "none") return undefined;
    if (demand.is === "trouble") throw new Error(demand.why);
    const filtered = await logins.filtered(auth);
    if (filtered.length === 0) {
      return localFailure(
        "4.7.0",
        `SASL authentication failed: server ${session.name} offered no compatible authentication mechanisms for this type of connection security`,
      );
    }
    return await new LoginDialogue(session, context, logins, demand.login).run(auth, filtered);
  };
}

/** Warns of an offer that is of no use, as Postfix does wherever it is made. */
export async function noteOffer(
  logins: ClientLogins,
  session: Session,
  warn: (text: string) => void,
): Promise<void> {
  const { auth } = session.features;
  if (auth === undefined) return;
  if (auth.length === 0) warn(`${session.relay} offered null AUTH mechanism list`);
  else if ((await logins.filtered(auth)).length === 0) {
    warn(`${session.relay} offered no supported AUTH mechanisms: '${auth.join(" ")}'`);
  }
}

class LoginDialogue {
  readonly #session: Session;
  readonly #context: OpeningContext;
  readonly #logins: ClientLogins;
  readonly #login: Login;

  constructor(session: Session, context: OpeningContext, logins: ClientLogins, login: Login) {
    this.#session = session;
    this.#context = context;
    this.#logins = logins;
    this.#login = login;
  }

  async run(offered: readonly string[], filtered: readonly string[]): Promise<Failure | undefined> {
    const { peer } = this.#session;
    const known = this.#logins.refused.find(peer.host, this.#login.identity);
    if (known !== undefined) return this.#refused(known, "SASL [CACHED] authentication failed", peer.host);
    const [unknown] = unknownSecurityOptions(this.#options);
    if (unknown !== undefined) return this.#cannot(`unknown security option "${unknown}"`);
    const secret = await this.#secret();
    if (typeof secret !== "string") return this.#cannot(`no token: ${secret.why}`);
    const chosen = this.#choose(offered, filtered, secret);
    if (chosen === undefined) return this.#cannot("no mechanism available");
    const reply = await this.#converse(chosen);
    if (!("code" in reply)) return reply;
    if (reply.code >= 200 && reply.code < 300) return void (this.#session.loggedIn = true);
    await this.#wasRefused(reply, secret);
    return this.#refused(reply, "SASL authentication failed", this.#session.name);
  }

  /** The security options that hold for the connection as it is. */
  get #options(): string {
    const { tls } = this.#session;
    const level = tls === undefined ? "clear" : tls.trust === "Verified" ? "verified" : "encrypted";
    return this.#logins.settings.options[level];
  }

  /** The password, or a token that is good now. */
  async #secret(): Promise<string | { readonly why: string }> {
    const { secret } = this.#login;
    if (secret.is === "password") return secret.password;
    const token = await this.#logins.tokens.current(secret.file);
    return "why" in token ? token : token.token;
  }

  /** A password is wrong until it is changed; a token is replaced by the next. */
  async #wasRefused(reply: ServerReply, tried: string): Promise<void> {
    const { identity, secret } = this.#login;
    if (secret.is === "password") this.#logins.refused.add(this.#session.peer.host, identity, reply);
    else if (reply.code === 535) await this.#logins.tokens.current(secret.file, tried);
  }

  #choose(
    offered: readonly string[],
    filtered: readonly string[],
    secret: string,
  ): ChosenMechanism | undefined {
    const { peer, tls } = this.#session;
    const { settings: { sendAuthorizationId } } = this.#logins;
    const { username, secret: { is: secretIs } } = this.#login;
    return chooseMechanism({ offered, filtered, options: this.#options }, {
      login: { username, secret, authorizationId: sendAuthorizationId ? username : "" },
      secretIs,
      host: peer.host,
      port: peer.port,
      channelBinding: tls?.facts.channelBinding ?? (() => undefined),
      gate: this.#logins.gate,
    });
  }

  /** The words of both sides until the server has decided; a failure when it came to no decision. */
  async #converse({ name, script }: ChosenMechanism): Promise<ServerReply | Failure> {
    let words = await script.next(Buffer.alloc(0));
    let line = `AUTH ${name}`;
    for (let first = true;; first = false) {
      if (words.done === true) return first ? this.#cannot(words.value) : await this.#giveUp(words.value);
      const { response, last } = words.value;
      const text = response === undefined ? "" : response.toString("base64");
      line = first ? line + (response === undefined ? "" : ` ${text || "="}`) : text;
      const reply = await this.#say(line);
      if (!("code" in reply)) return reply;
      if (reply.code >= 200 && reply.code < 300 && !last) {
        return this.#cannot("server failed mutual authentication step");
      }
      if (reply.code < 300 || reply.code >= 400) return reply;
      const challenge = decodeBase64(reply.lines.at(-1)!.slice(4).trim());
      if (challenge === undefined) return await this.#giveUp(NO_BASE64);
      words = await script.next(challenge);
    }
  }

  async #say(line: string): Promise<ServerReply | Failure> {
    await this.#session.command(`${line}\r\n`, line.replace(SECRET, "..."));
    const reply = await this.#session.reply(this.#context.settings.timeouts.hello);
    return isLost(reply) ? lostFailure(this.#session, reply, helloStage(this.#context)) : reply;
  }

  /** The server waits for a response, and is told that none will come (RFC 4954 §4). */
  async #giveUp(why: string): Promise<Failure> {
    await this.#session.command("*\r\n");
    return this.#cannot(why);
  }

  #cannot(why: string): Failure {
    return localFailure(
      "4.7.0",
      `SASL authentication failed; cannot authenticate to server ${this.#session.name}: ${why}`,
    );
  }

  #refused(reply: ServerReply, what: string, server: string): Failure {
    const { peer } = this.#session;
    // Tokens come and go: no mail is lost for one.
    const isSoft = this.#logins.settings.softBounce || this.#login.secret.is === "token";
    const softened = isSoft && reply.status.startsWith("5");
    const status = softened ? `4${reply.status.slice(1)}` : reply.status;
    this.#session.refused(reply);
    return refusal(peer.host, reply, `${what}; server ${server} said: ${reply.text}`, status);
  }
}
