import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { Log } from "../../observe/log.ts";
import { isDigest } from "../../platform/digest.ts";
import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import type { TlsContext } from "../../platform/socket/tls_context.ts";
import { type OpenTables, parentMatches } from "../../rewrite/open_tables.ts";
import { leafSpecs } from "../../table/leaf_specs.ts";
import { findPeer } from "../../table/search/find_peer.ts";
import { tableType } from "../../table/table_types.ts";
import { ownFilesOf } from "../../tls/own/chain_parameters.ts";
import { logLevelWarnings, type TlsLogPart, tlsLogParts } from "../../tls/log_level.ts";
import { NO_AUTHORITIES } from "../../tls/verification/authorities.ts";
import type { Attempt } from "../../tls/own/own_certificates.ts";
import { logPartsByPeer, type LogPartsFor } from "../../tls/peer_log_level.ts";
import { RememberedFiles } from "../../tls/remembered_files.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import type { LoggedClient, ServerHandshake, ServiceTls } from "../service_tls.ts";
import type { SessionTls } from "../session_facts.ts";
import { judgeClient, type JudgedCertificate } from "./client_certificate.ts";
import { fixedMaterial, ServerContexts, type ServerTlsSettings } from "./server_context.ts";
import { handshakeLines } from "./handshake_lines.ts";
import { SniContexts, type SniTable } from "./sni_contexts.ts";
import { readTlsSettings } from "./tls_settings.ts";

/** What TLS of a service is made with. */
export interface ServerTlsDeps {
  readonly files: TlsFiles;
  readonly openTables: Pick<OpenTables, "table" | "maps">;
  readonly log: Log;
}

/** TLS of a service by its settings; undefined where it is not offered. What cannot be used is said at once, and clients hear 454. */
export function createServerTls(settings: ServerTlsSettings, deps: ServerTlsDeps): ServiceTls | undefined {
  if (!readTlsSettings(settings).offered) return undefined;
  const warn = (text: string) => deps.log.note("smtpd", "warning", text);
  const { material, warnings } = fixedMaterial(settings);
  for (const text of [...warnings, ...ownFilesOf("smtpd", settings).warnings]) warn(text);
  if ("problem" in material) return unavailable(warn, material.problem);
  const digest = settings.smtpd_tls_fingerprint_digest;
  if (!isDigest(digest)) {
    return unavailable(warn, `Digest algorithm "${digest}" not found`, "disabling TLS support");
  }
  const heard = (attempt: Attempt) => {
    if (attempt.is === "loaded") return attempt.notes.forEach(warn);
    // Master tells of files that have gone bad, once for all workers.
    if (attempt.is === "unavailable") attempt.fault.words.forEach(warn);
  };
  const contexts = new ServerContexts(settings, material, deps.files, heard, warn);
  const tls = new OfferedTls(settings, contexts, deps);
  // What is wrong with certificates is said when the service starts, not when the first client comes.
  contexts.current();
  return tls;
}

/** TLS that clients are told of and cannot have. */
function unavailable(warn: (text: string) => void, ...why: readonly string[]): ServiceTls {
  why.forEach(warn);
  return { begin: () => undefined };
}

/** What is told of a client, by itself (smtpd_tls_loglevel_maps, smtpd_tls_loglevel). */
function clientLogParts(
  settings: ServerTlsSettings,
  { openTables, log }: ServerTlsDeps,
  general: ReadonlySet<TlsLogPart>,
): LogPartsFor {
  const parameter = "smtpd_tls_loglevel_maps";
  const maps = openTables.maps(settings[parameter], parameter);
  const tables = maps && { ...maps, parentMatches: parentMatches(settings, parameter) };
  return logPartsByPeer({
    parameter,
    general,
    find: tables && ((client) => findPeer(client, tables)),
    warn: (text) => log.note("smtpd", "warning", text),
  });
}

/** The tables of tls_server_sni_maps. Those of files are made of names of files; what a server holds must be the content. */
function sniTables(text: string, openTables: ServerTlsDeps["openTables"]): readonly SniTable[] {
  const isLocal = (spec: string) => tableType(/^([a-z]+):/.exec(spec)?.[1] ?? "hash")?.local === true;
  return splitList(text).map((spec) => ({
    table: openTables.table(spec),
    namesFiles: leafSpecs(spec).every(isLocal),
  }));
}

class OfferedTls implements ServiceTls {
  readonly #settings: ServerTlsSettings;
  readonly #contexts: ServerContexts;
  readonly #log: Log;
  readonly #partsFor: LogPartsFor;
  /** Whoever is sent away for his certificate is told of (tls_server(3)). */
  readonly #alwaysTold: readonly TlsLogPart[];
  readonly #sni: SniContexts | undefined;
  readonly #asks: boolean;
  readonly #now: () => number;

  constructor(settings: ServerTlsSettings, contexts: ServerContexts, deps: ServerTlsDeps) {
    const { log, files, openTables } = deps;
    this.#settings = settings;
    this.#contexts = contexts;
    this.#log = log;
    const { askCertificate, requireCertificate } = readTlsSettings(settings);
    this.#asks = askCertificate;
    const level = settings.smtpd_tls_loglevel;
    logLevelWarnings("smtpd_tls_loglevel", level).forEach((text) => log.note("smtpd", "warning", text));
    const parts = tlsLogParts(level);
    this.#alwaysTold = requireCertificate ? ["untrusted"] : [];
    this.#partsFor = clientLogParts(settings, deps, parts);
    if (parts.has("verbose")) this.#note("initializing the server-side TLS engine");
    this.#now = () => files.now();
    const tables = sniTables(settings.tls_server_sni_maps, openTables);
    if (tables.length === 0) return;
    const remembered = new RememberedFiles(files);
    this.#sni = new SniContexts({
      tables,
      read: (path) => remembered.read(path),
      contextOf: (chains) => contexts.contextOf(chains, contexts.authorities() ?? NO_AUTHORITIES),
      log: (level, text) => log.note("smtpd", level, text),
    });
    contexts.renewed(() => this.#sni?.forget());
  }

  begin(client: LoggedClient): MaybeAsync<ServerHandshake | undefined> {
    const context = this.#contexts.current();
    if (context === undefined) return undefined;
    return then(
      this.#partsFor(client),
      (parts) => this.#handshake(context, client.text, new Set([...parts, ...this.#alwaysTold])),
    );
  }

  #handshake(context: TlsContext, client: string, parts: ReadonlySet<TlsLogPart>): ServerHandshake {
    if (parts.has("verbose")) {
      this.#note(`setting up TLS connection from ${client}`);
      this.#note(`${client}: TLS cipher list "${this.#contexts.ciphers}"`);
    }
    const sni = this.#sni;
    const named = sni && { contextFor: (name: string) => sni.contextFor(name, client) };
    return {
      side: { side: "server", context, askCertificate: this.#asks, ...named },
      learn: (handshake) => this.#learn(handshake, client, parts),
    };
  }

  #learn(handshake: TlsFacts, client: string, parts: ReadonlySet<TlsLogPart>): SessionTls {
    const judged = this.#judge(handshake);
    handshakeLines({ handshake, client, judged }, parts).forEach((line) => this.#note(line));
    const { protocol, cipher, bits } = handshake;
    const peer = judged && { peer: judged.certificate };
    return { protocol, cipher, keysize: bits, handshake, ...peer };
  }

  #judge({ peer }: TlsFacts): JudgedCertificate | undefined {
    const authorities = this.#contexts.authorities();
    const settings = this.#settings;
    if (authorities === undefined) return undefined;
    return judgeClient(peer, {
      authorities,
      depth: settings.smtpd_tls_ccert_verifydepth,
      takesServers: settings.tls_trust_server_ccerts,
      digest: settings.smtpd_tls_fingerprint_digest,
      legacyKeys: settings.tls_legacy_public_key_fingerprints,
      now: this.#now(),
    });
  }

  #note(text: string): void {
    this.#log.note("smtpd", "info", text);
  }
}
