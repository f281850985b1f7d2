import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Log } from "../../observe/log.ts";
import type { Route } from "../../routing/route.ts";
import type { Maps } from "../../table/search/maps.ts";
import type { Agent } from "../agent.ts";
import type { Identity, MailWriter } from "../mailbox/writer.ts";
import type { AliasSource } from "./alias_source.ts";
import type { ForwardWorld } from "./forward_batch.ts";
import type { LocalSettings } from "./local_settings.ts";
import type { UserLookup } from "./users.ts";

/** What the local delivery agent is built from. */
export interface LocalDeps extends ForwardWorld {
  readonly settings: LocalSettings;
  /** alias_maps, in order. */
  readonly aliases: readonly AliasSource[];
  readonly mailboxCommandMaps: Maps | undefined;
  readonly mailboxTransportMaps: Maps | undefined;
  readonly fallbackTransportMaps: Maps | undefined;
  readonly users: UserLookup;
  /** Rights of commands and files that root's aliases name (default_privs). */
  readonly defaultPrivs: Identity;
  readonly writer: MailWriter;
  /** Whose a file or folder is; undefined when it is not there, `hidden` when only its owner may look. */
  readonly ownership: (
    path: string,
  ) => { readonly uid: number; readonly gid: number; readonly groupWrites: boolean } | "hidden" | undefined;
  /** The standard form user@full.domain of an address in an alias (trivial-rewrite(8)). */
  readonly standardForm: (address: string) => string;
  readonly route: (sender: string, recipient: string) => MaybeAsync<Route>;
  /** Other agents, for mailbox_transport and fallback_transport. */
  readonly agents: (transport: string) => Agent | undefined;
  readonly environment: (name: string) => string | undefined;
  readonly log: Log;
}
