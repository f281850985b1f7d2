import { digest, isDigest } from "../../platform/digest.ts";
import type { ClientTls } from "../../platform/socket/connection.ts";
import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import { createTlsContext, type TlsContext } from "../../platform/socket/tls_context.ts";
import { type Authorities, AuthorityStore, NO_AUTHORITIES } from "../verification/authorities.ts";
import { readCertificate } from "../x509/certificate.ts";
import { cipherList } from "../ciphers.ts";
import { type ClientTlsPolicy, mustMatch } from "../client_policy.ts";
import type { ClientTlsSettings } from "./client_tls_settings.ts";
import type { Trust as TrustWord } from "../connection_line.ts";
import { keyExchangeGroups } from "../groups.ts";
import { policyText, serverNameOf, tableFailure } from "./policy_identity.ts";
import { parseProtocols, type Unusable } from "../protocols.ts";
import { SessionStore } from "./session_store.ts";
import type { TlsFiles } from "../tls_files.ts";
import { judge, type Verdict } from "../verification/verification.ts";
import { type Vouching, vouchingFor } from "./vouching.ts";

/** Our own certificates as a client: what is shown to a server that asks. */
export interface OwnMaterial {
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
}

/** The server that a handshake is with. */
export interface TlsServer {
  /** The next hop without brackets and port. */
  readonly domain: string;
  /** The next hop as written. */
  readonly nexthop: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** `host[address]:port`. */
  readonly whom: string;
  /** The name it gave itself in answer to EHLO: servers behind one address may share no sessions. */
  readonly helo: string;
}

/** What a handshake came to. */
export interface HandshakeJudgement {
  readonly facts: TlsFacts;
  readonly trust: TrustWord;
  /** The level asks for no more than that. */
  readonly isEnough: boolean;
  /** Undefined when the server showed no certificate. */
  readonly verdict: Verdict | undefined;
}

/** A handshake that can begin. */
export interface PreparedHandshake {
  readonly side: ClientTls;
  /** An earlier session is offered. */
  readonly offersSession: boolean;
  /** Names the session among others; for the log. */
  readonly sessionKey: string;
  readonly ciphers: string;
  readonly serverName: string;
  /** What is wrong with what the policy asks for, though TLS can begin. */
  readonly warnings: readonly string[];
  /** Judges what it was; a session is remembered if it may be resumed. */
  judge(facts: TlsFacts): HandshakeJudgement;
  /** It failed: the session offered is no good. */
  failed(): void;
}

interface EngineWorld {
  readonly now: () => number;
  readonly files: TlsFiles;
  readonly warn: (text: string) => void;
  /** Our own certificates as they are now; undefined for none. The same object until they are others. */
  readonly own: () => OwnMaterial | Unusable | undefined;
}

/** Contexts that are kept: one for each way in which policies differ. */
const MOST_CONTEXTS = 50;

/** Our side of TLS as a client of one service: contexts, authorities, sessions. Opens nothing and logs nothing but warnings. */
export class ClientTlsEngine {
  readonly #settings: ClientTlsSettings;
  readonly #world: EngineWorld;
  readonly #authorities: AuthorityStore;
  /** Those of the web beside them (RFC 8461 §4.2). */
  readonly #webAuthorities: AuthorityStore;
  readonly #sessions: SessionStore<Verdict | undefined>;
  readonly #contexts = new Map<string, MadeContext>();
  readonly #lists = new Map<string, ReturnType<typeof cipherList>>();
  /** What contexts were made of; when one of these is another, they are made anew. */
  #madeOf: readonly unknown[] = [];
  #warned: string | undefined;

  constructor(settings: ClientTlsSettings, world: EngineWorld) {
    this.#settings = settings;
    this.#world = world;
    this.#authorities = new AuthorityStore(settings.authorities, world.files, world.warn);
    const web = { ...settings.authorities, appendSystem: true, systemAlone: true };
    this.#webAuthorities = new AuthorityStore(web, world.files, world.warn);
    this.#sessions = new SessionStore(settings.sessionLifetime, world.now);
  }

  /** Why there is no TLS at all, whatever a policy says: the operator's files or digest are no good. */
  unavailable(): string | undefined {
    const { fingerprintDigest } = this.#settings;
    const authorities = this.#authorities.current();
    if ("problem" in authorities) return authorities.problem;
    if (!isDigest(fingerprintDigest)) {
      return this.#warnOnce(`Digest algorithm "${fingerprintDigest}" not found: disabling TLS support`);
    }
    const own = this.#world.own();
    return own !== undefined && "problem" in own ? own.problem : undefined;
  }

  #warnOnce(problem: string): string {
    if (this.#warned !== problem) this.#world.warn(this.#warned = problem);
    return problem;
  }

  /** Everything for one handshake, or why none can begin under that policy. */
  prepare(policy: ClientTlsPolicy, server: TlsServer): PreparedHandshake | Unusable {
    const authorities = (policy.webPki ? this.#webAuthorities : this.#authorities).current();
    if ("problem" in authorities) return authorities;
    const protocols = parseProtocols(policy.protocols);
    if ("problem" in protocols) {
      return {
        problem: `${server.whom}: Invalid TLS protocol list "${policy.protocols}": aborting TLS session`,
      };
    }
    const list = this.#cipherList(policy);
    if ("problem" in list) return { problem: `${server.whom}: ${list.problem}` };
    const byAuthority = policy.associations.length === 0;
    const context = this.#contextFor(protocols, list.ciphers, byAuthority ? authorities : NO_AUTHORITIES);
    if ("problem" in context) return context;
    const serverName = serverNameOf(policy, server);
    const sessionKey = this.#sessionKey(policy, server, list.ciphers, serverName);
    const start = { policy, authorities, context, serverName, sessionKey, ciphers: list.ciphers };
    return this.#handshake({ ...start, vouching: vouchingFor(policy, server) });
  }

  /** The library is asked whether it takes a list, which costs it a context. */
  #cipherList({ ciphers, exclude }: ClientTlsPolicy): ReturnType<typeof cipherList> {
    const key = [ciphers, ...exclude].join("\n");
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    if (this.#lists.size >= MOST_CONTEXTS) this.#lists.clear();
    const list = cipherList(this.#settings.grades, { grade: ciphers, exclude });
    this.#lists.set(key, list);
    return list;
  }

  #handshake(start: HandshakeStart): PreparedHandshake {
    const { policy, context, serverName, sessionKey } = start;
    const known = this.#settings.cachesSessions ? this.#sessions.find(sessionKey) : undefined;
    let judged: HandshakeJudgement | undefined;
    let session: Buffer | undefined;
    const remember = () => {
      if (!this.#settings.cachesSessions || judged === undefined || session === undefined) return;
      // What is not good enough now would not be so later: a better certificate shows in a new handshake alone.
      if (!judged.isEnough) return;
      this.#sessions.keep(sessionKey, session, judged.verdict, judged.facts.reused ? known : undefined);
    };
    return {
      side: {
        context,
        serverName,
        verify: false,
        session: known?.session,
        remember: (fresh) => {
          session = fresh;
          remember();
        },
      },
      offersSession: known !== undefined,
      sessionKey,
      ciphers: start.ciphers,
      serverName,
      warnings: start.vouching.warnings,
      judge: (facts) => {
        const verdict = facts.reused && known !== undefined ? known.about : this.#verdict(facts, start);
        judged = { facts, verdict, ...judgement(policy, verdict) };
        remember();
        return judged;
      },
      failed: () => this.#sessions.forget(sessionKey),
    };
  }

  #verdict({ peer }: TlsFacts, { policy, authorities, vouching }: HandshakeStart): Verdict | undefined {
    if (peer === undefined) return undefined;
    const failure = tableFailure(policy);
    if (failure !== undefined) {
      const certificate = readCertificate(peer.chain[0]!);
      return certificate &&
        { is: "untrusted", certificate, trouble: { is: "policy-failure", depth: 0, failure } };
    }
    return judge(peer, {
      role: "server",
      authorities,
      associations: vouching.associations,
      names: vouching.names,
      hopeless: vouching.hopeless,
      depth: this.#settings.verifyDepth,
      now: this.#world.now(),
    });
  }

  #contextFor(
    versions: Exclude<ReturnType<typeof parseProtocols>, Unusable>,
    ciphers: string,
    authorities: Authorities,
  ): TlsContext | Unusable {
    const own = this.#world.own();
    if (own !== undefined && "problem" in own) return own;
    const all = this.#authorities.current();
    if (this.#madeOf[0] !== all || this.#madeOf[1] !== own) {
      this.#contexts.clear();
      // What was found about a server was found by the authorities of then.
      if (this.#madeOf.length > 0) this.#sessions.clear();
      this.#madeOf = [all, own];
    }
    const whose = authorities.pem === "" ? "none" : authorities === all ? "own" : "web";
    const key = `${versions.lowest} ${versions.highest} ${whose} ${ciphers}`;
    const known = this.#contexts.get(key);
    if (known?.authorities === authorities) return known.context;
    if (this.#contexts.size >= MOST_CONTEXTS) this.#contexts.clear();
    const { groups, warning } = keyExchangeGroups(this.#settings.groups, "auto");
    if (warning !== undefined) this.#warnOnce(warning);
    try {
      const context = createTlsContext({ ca: authorities.pem, ciphers, versions, groups, ...own });
      this.#contexts.set(key, { authorities, context });
      return context;
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) };
    }
  }

  /** A session is resumed only towards the same server under the same demands (smtp_session_cache keys). */
  #sessionKey(policy: ClientTlsPolicy, server: TlsServer, ciphers: string, serverName: string): string {
    const salt = digest(
      "sha256",
      JSON.stringify([server.helo, policyText(policy, server), ciphers, serverName]),
    );
    return `${server.nexthop}&${server.host}&${server.address}&${server.port}&${
      salt.toString("hex").toUpperCase()
    }`;
  }
}

interface MadeContext {
  readonly authorities: Authorities;
  readonly context: TlsContext;
}

interface HandshakeStart {
  readonly policy: ClientTlsPolicy;
  readonly vouching: Vouching;
  readonly authorities: Authorities;
  readonly context: TlsContext;
  readonly serverName: string;
  readonly sessionKey: string;
  readonly ciphers: string;
}

function judgement(
  { level }: ClientTlsPolicy,
  verdict: Verdict | undefined,
): Pick<HandshakeJudgement, "trust" | "isEnough"> {
  const must = mustMatch(level);
  if (verdict === undefined) return { trust: "Anonymous", isEnough: !must };
  if (verdict.is === "untrusted") return { trust: "Untrusted", isEnough: !must };
  return { trust: must && level !== "halfdane" ? "Verified" : "Trusted", isEnough: true };
}
