import type { DeliveryJob } from "../agent.ts";
import type { Session } from "./client_session.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { loginText } from "./login/login_demand.ts";
import type { Peer } from "./peer.ts";
import { addressKey, type Demand, nexthopKey } from "./session_key.ts";
import { serverTls } from "./session_tls.ts";
import type { SiteDemands } from "./site_demands.ts";

/** Connections of earlier deliveries that one delivery may use, and those that it leaves (smtp_connection_cache_on_demand). */
export class KeptSessions {
  readonly #job: DeliveryJob;
  readonly #context: DeliveryContext;
  /** Under which next hop the first good connection is kept; undefined while none is looked for or left. */
  #nexthopKey: string | undefined;
  #keptByNexthop = false;
  /** Mail for the next hop comes often: though none may wait at the moment, the next message is likelier to come than not. */
  #isBusy = false;

  constructor(job: DeliveryJob, context: DeliveryContext) {
    this.#job = job;
    this.#context = context;
  }

  /** Begins for the delivery's first next hop, where connections are kept for it; answers whether they are. */
  begin(nexthop: string, host: string, demands: string | undefined): boolean {
    const { settings } = this.#context;
    const wanted = settings.cacheDestinations.has(host.toLowerCase()) || settings.cacheOnDemand;
    if (!wanted || demands === undefined) return false;
    this.#nexthopKey = nexthopKey(nexthop, demands);
    this.#isBusy = this.#context.cache.mailCame(this.#nexthopKey);
    return true;
  }

  /** A connection kept for the next hop, if it was made for what its host demands now. */
  async takeForNexthop(demands: SiteDemands, sole: boolean): Promise<Session | undefined> {
    while (this.#nexthopKey !== undefined) {
      const session = this.#context.cache.take(this.#nexthopKey, sole);
      if (session === undefined) return undefined;
      const login = await demands.loginAt(session.peer.host);
      if (loginText(login) === loginText(session.key.login)) return this.#reused(session);
      session.quit();
    }
    return undefined;
  }

  /** A connection kept under a server's address. */
  takeForServer(peer: Peer, demand: Demand): Session | undefined {
    if (this.#nexthopKey === undefined) return undefined;
    const kept = this.#context.cache.take(addressKey(peer, demand));
    return kept && this.#reused(kept);
  }

  #reused(session: Session): Session {
    const { log, settings } = this.#context;
    if (session.tls !== undefined) log.emit(settings.program, "serverTls", serverTls(session.tls, "reused"));
    return session;
  }

  willKeep(session: Session): boolean {
    const { settings, cache } = this.#context;
    const wanted = this.#job.more !== false || this.#isBusy ||
      settings.cacheDestinations.has(session.peer.host.toLowerCase());
    return this.#nexthopKey !== undefined && wanted && session.uses > 0 && cache.mayServeAgain(session);
  }

  /** Keeps a good connection; the first one of a delivery goes by its next hop too (smtp_connect(3)). */
  putAway(session: Session): void {
    if (session.ended) return session.close();
    if (!this.willKeep(session)) return session.quit();
    const keys = [addressKey(session.key.peer, session.key)];
    if (!this.#keptByNexthop && this.#nexthopKey !== undefined) keys.push(this.#nexthopKey);
    this.#keptByNexthop = true;
    this.#context.cache.keep(session, keys);
  }
}
