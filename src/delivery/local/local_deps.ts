import type { Address } from "../../address/address.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Log } from "../../observe/log.ts";
import type { Route } from "../../routing/route.ts";
import type { Table } from "../../table/table.ts";
import type { Maps } from "../../table/search/maps.ts";
import type { Agent } from "../agent.ts";
import type { Identity, MailWriter } from "../mailbox/writer.ts";
import type { ForwardWorld } from "./forward_batch.ts";
import type { LocalSettings } from "./local_settings.ts";
import type { UserLookup } from "./users.ts";

/** Whose a file or folder is, and who may write to it. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly groupWrites: boolean;
  readonly othersWrite: boolean;
}

/** A table of alias_maps and whose it is. */
export interface AliasSource {
  readonly table: Table;
  /** The user id of its owner, if it is known: its commands and files are delivered with that user's rights, unless it is root's (local(8)). */
  owner(): number | undefined;
}

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
  ) => Ownership | "hidden" | undefined;
  /** Whether anything has that name, a link that leads nowhere too. */
  readonly named: (path: string) => boolean | "hidden";
  /** The account that has a user id (passwd(5)): whose rights a list of that user's gets. */
  readonly account: (uid: number) => Identity | undefined;
  /** The standard form user@full.domain of an address in an alias (trivial-rewrite(8)). */
  readonly standardForm: (address: string) => Address;
  readonly route: (sender: string, recipient: string) => MaybeAsync<Route>;
  /** Other agents, for mailbox_transport and fallback_transport. */
  readonly agents: (transport: string) => Agent | undefined;
  readonly environment: (name: string) => string | undefined;
  readonly log: Log;
}
