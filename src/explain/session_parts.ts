import type { Configuration, Service } from "../config/service.ts";
import type { Log } from "../observe/log.ts";
import type { AuthServer } from "../smtpd/auth_server.ts";
import type { SmtpdDeps } from "../smtpd/deps.ts";
import type { OpenTable } from "../table/context.ts";
import type { Watch } from "./watch/watch.ts";

/** What a session is explained with: the parts of a real smtpd, each question to the world watched. */
export interface SessionParts {
  readonly parts: Omit<SmtpdDeps, "cleanup" | "newId" | "log" | "clock" | "service">;
  /** Where the client could have connected to. */
  readonly local: { readonly address: string; readonly port: number };
  /** AUTH as the service has it, for a user whose password is not asked for; undefined where nobody can log in. */
  authFor(settings: Service["settings"], username: string): AuthServer | undefined;
  /** What the proof against open relay has against the service, in sentences. */
  relayFindings(): Promise<readonly string[]>;
  close(): void;
}

/** What the parts are opened for. */
export interface SessionPartsPlan {
  readonly configuration: Configuration;
  readonly service: Service;
  readonly watch: Watch;
  readonly log: Log;
  /** Opens tables with an edit under trial in force; as they are when left out. */
  readonly edited?: (open: OpenTable) => OpenTable;
}

/** Builds the parts as the running server does, and nothing beside them. Throws an Error, with words for the operator. */
export type OpenSessionParts = (plan: SessionPartsPlan) => SessionParts;
