import { splitList } from "../../config/syntax/list.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { readSettings } from "../../config/read_settings.ts";
import { realWorld } from "../../config/world.ts";
import { type ClientSettings, clientSettings } from "../../delivery/smtp/client_settings.ts";
import { systemServices } from "../../delivery/smtp/route/services_file.ts";
import { systemHosts } from "../../dns/hosts.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { createValidatedResolver, type NameServers, nameServers } from "../../dns/system_resolver.ts";
import type { LookupContext } from "../../delivery/smtp/route/address_list.ts";
import { ownPid } from "../../platform/process/signals.ts";
import { becomeUser } from "../../platform/process/effective_ids.ts";
import { userByName } from "../../platform/process/users.ts";
import { clientCertificates } from "../../tls/client/client_certificates.ts";
import { ClientTlsEngine } from "../../tls/client/client_engine.ts";
import { clientLevel, isPolicyFault, type PolicyDraft } from "../../tls/client_policy.ts";
import { type ClientTlsSettings, clientTlsSettings } from "../../tls/client/client_tls_settings.ts";
import { completePolicy } from "../../tls/client/complete_policy.ts";
import { type DaneDigests, readDaneDigests } from "../../tls/dane/dane_digests.ts";
import { logLevelWarnings } from "../../tls/log_level.ts";
import { readFingerprints } from "../../tls/client/policy_text.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import { TrustAnchorFiles } from "../../tls/verification/trust_anchors.ts";
import { FingerFault, type FingerOptions } from "./_finger_options.ts";
import type { FingerOutput } from "./_finger_output.ts";

/** What a run needs: the client's settings with the options on top, and what it looks up and shakes hands with. */
export interface FingerSetup {
  readonly options: FingerOptions;
  readonly client: ClientSettings;
  readonly tls: ClientTlsSettings;
  /** Undefined where there is no TLS: `-l none`, or files that cannot be used. */
  readonly engine: ClientTlsEngine | undefined;
  readonly lookups: LookupContext;
  readonly service: (name: string) => number | undefined;
  readonly digests: DaneDigests;
  /** What the level and the `match` arguments ask for. */
  readonly draft: PolicyDraft;
  /** Completes a draft by the options. */
  readonly policy: (
    draft: PolicyDraft,
  ) => Exclude<ReturnType<typeof completePolicy>["is"], { status: string }>;
}

/** Reads main.cf, the options on top of it, and the files that they name; afterwards nothing is done with root's rights. */
export function setUpFinger(options: FingerOptions, directory: string, output: FingerOutput): FingerSetup {
  const { warn } = output;
  const level = clientLevel(options.level ?? "dane");
  if (level === undefined) throw new FingerFault(`Invalid TLS level "${options.level}"`);
  const settings = settingsFor(options, directory);
  const tls = fingerTls(clientTlsSettings("smtp", settings), options);
  const files = new TrustAnchorFiles(ownTlsFiles);
  const draft = draftFor(level, options, tls, files, warn);
  const engine = level === "none" ? undefined : openEngine(tls, settings, warn);
  warnOfOptions(options, warn);
  const { digests, warnings } = readDaneDigests(settings.tls_dane_digests);
  warnings.forEach(warn);
  const servers = { servers: splitList(settings.dns_servers), trustAd: settings.dns_trust_ad };
  if (draft.level === "dane" || draft.level === "dane-only") warnOfServers(nameServers(servers), warn);
  const mailOwner = userByName(settings.mail_owner);
  if (mailOwner !== undefined) becomeUser(mailOwner.uid, mailOwner.gid);
  const client = fingerClient(clientSettings(options.lmtp ? "lmtp" : "smtp", settings), options);
  return {
    options,
    client,
    tls,
    engine,
    lookups: lookupsFor(client, createValidatedResolver(servers)),
    service: systemServices(),
    digests,
    draft,
    policy(of) {
      const { is, warnings } = completePolicy(of, tls, options.destination, files);
      warnings.forEach(warn);
      if (isPolicyFault(is)) throw new FingerFault(is.text);
      return is;
    },
  };
}

/** main.cf, or the defaults without one, with what the options say on top. */
function settingsFor({ parameters }: FingerOptions, directory: string): Settings {
  return readSettings({
    directory,
    world: realWorld(ownPid(), "posttls-finger"),
    overrides: { ...parameters, lmtp_dns_support_level: "dnssec", smtp_dns_support_level: "dnssec" },
    missing: "defaults",
  }).settings;
}

/** Undefined when its files cannot be used: there is no TLS then, and the rest is shown all the same. */
function openEngine(
  tls: ClientTlsSettings,
  settings: Settings,
  warn: (text: string) => void,
): ClientTlsEngine | undefined {
  const own = clientCertificates("smtp", settings, ownTlsFiles, warn);
  const engine = new ClientTlsEngine(tls, { now: Date.now, files: ownTlsFiles, warn, own });
  return engine.unavailable() === undefined ? engine : undefined;
}

function warnOfOptions({ throughTlsproxy, parameters }: FingerOptions, warn: (text: string) => void): void {
  if (throughTlsproxy) warn("-X has no effect: there is no tlsproxy(8) here");
  logLevelWarnings("-L option", parameters.smtp_tls_loglevel ?? "").forEach(warn);
}

function lookupsFor(settings: ClientSettings, resolver: Resolver): LookupContext {
  return { settings, resolver, hosts: systemHosts(), isOwnAddress: () => false, random: Math.random };
}

/** Hosts are looked up as the options say, and whichever can be reached is good. */
function fingerClient(client: ClientSettings, { family, hostLookup }: FingerOptions): ClientSettings {
  return {
    ...client,
    hostLookup,
    addressPreference: family,
    randomizeAddresses: true,
    balanceProtocols: false,
    ignoreMxLookupError: false,
    deferIfNoMxAddress: true,
  };
}

function fingerTls(tls: ClientTlsSettings, { lmtp, reconnectAfter }: FingerOptions): ClientTlsSettings {
  return {
    ...tls,
    program: lmtp ? "lmtp" : "smtp",
    optional: tls.mandatory,
    secureMatch: ["nexthop", "dot-nexthop"],
    verifyMatch: ["hostname"],
    fingerprints: "",
    trustAnchorFiles: [],
    cachesSessions: reconnectAfter !== undefined,
  };
}

/** The `match` arguments are names, or fingerprints, as the level has it. */
function draftFor(
  level: PolicyDraft["level"],
  { match, trustAnchors }: FingerOptions,
  { fingerprintDigest }: ClientTlsSettings,
  files: TrustAnchorFiles,
  warn: (text: string) => void,
): PolicyDraft {
  const own = { level, isGiven: true } as const;
  if (level === "fingerprint") {
    const associations = readFingerprints(match, fingerprintDigest, warn);
    // Without any the tool is asked what they are.
    return associations.length > 0
      ? { ...own, associations }
      : { ...own, level: "encrypt", saysUntrusted: true };
  }
  if (level === "none" || level === "may" || level === "encrypt") {
    if (match.length > 0) warn(`TLS level '${level}' does not implement certificate matching`);
    return own;
  }
  const isByAuthority = level === "secure" || level === "verify";
  const associations = (isByAuthority ? trustAnchors : []).flatMap((path) => {
    const read = files.read(path);
    if (!("problem" in read)) return read;
    warn(read.problem);
    throw new FingerFault(`Failed to load trust anchor file: ${path}`);
  });
  return {
    ...own,
    ...(match.length > 0 && { match }),
    ...(associations.length > 0 && { associations }),
  };
}

function warnOfServers({ believed, others }: NameServers, warn: (text: string) => void): void {
  if (believed.length > 0) return;
  warn(
    `name server ${
      others.map(({ host }) => host).join(", ")
    } is not on this machine: its word that answers are validated ` +
      "(DNSSEC) does not count, and no TLSA records are found; see dns_trust_ad",
  );
}
