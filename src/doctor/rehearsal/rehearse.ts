import type { Clock } from "../../base/clock.ts";
import type { Configuration } from "../../config/service.ts";
import { FieldRules } from "../../cleanup/signing/signing_settings.ts";
import { trySite } from "../../delivery/smtp/try_site.ts";
import type { AddressAnswer } from "../../dns/answer.ts";
import { readPlain } from "../../platform/file/random_access_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { clientTlsSettings } from "../../tls/client/client_tls_settings.ts";
import type { MailWorld } from "../../worker/services/mail_world.ts";
import { type CheckResult, problem, warning } from "../check_result.ts";
import { type Check, runChecks } from "../run_checks.ts";
import { checkListed } from "./dnsbl_check.ts";
import { checkHelo } from "./helo_check.ts";
import { checkIdentity } from "./identity.ts";
import { checkMessage } from "./message_check.ts";
import { messageFacts } from "./message_facts.ts";
import { checkMx } from "./mx_check.ts";
import type { RehearsalRequest } from "./request.ts";
import { checkReverse } from "./reverse_check.ts";
import { dkimFacts } from "./signing_keys_of.ts";
import { checkSource, type Source, sourceOf } from "./source_addresses.ts";
import { checkTls } from "./tls_check.ts";
import { findWayOut, localSources, type WayOut } from "./way_out.ts";

/** What a rehearsal is made with. */
export interface RehearsalWorld {
  readonly configuration: Configuration;
  readonly world: MailWorld;
  readonly clock: Clock;
}

const SECOND = 1000;
/** Names and exchangers that are looked at. */
const MOST = 10;

/** Walks what a receiver would check of mail from an address, in its order. */
export async function rehearse(
  request: RehearsalRequest,
  parts: RehearsalWorld,
): Promise<readonly CheckResult[]> {
  const { configuration, world, clock } = parts;
  const way = await findWayOut(request.sender, request.to, configuration, world);
  const leaving = await generically(request, way);
  const source = await sourceFor(leaving, way, world);
  const scene: Scene = { ...parts, request: leaving, way, source };
  const check = (
    name: string,
    seconds: number,
    run: (scene: Scene, signal: AbortSignal) => Promise<readonly CheckResult[]>,
  ): Check => ({ name, limit: seconds * SECOND, run: (signal) => run(scene, signal) });
  const renamed = leaving.sender === request.sender ? [] : [
    warning(
      "sender",
      `${request.sender} leaves as ${leaving.sender} (smtp_generic_maps): that one is looked at`,
    ),
  ];
  const results = await runChecks([
    check("MX", 30, lookAtMx),
    check("address", 5, async () => checkSource(source)),
    check("PTR", 30, lookAtNames),
    check("HELO", 30, lookAtHelo),
    check("TLS", 60, lookAtTls),
    check("SPF", 60, lookAtIdentity),
    ...(request.message === undefined ? [] : [check("message", 30, lookAtMessage)]),
    ...(request.lists.length === 0 ? [] : [check("DNSBL", 30, lookAtLists)]),
  ], clock);
  return [...renamed, ...results];
}

interface Scene extends RehearsalWorld {
  readonly request: RehearsalRequest;
  readonly way: WayOut;
  readonly source: Source;
}

/** The sender as smtp_generic_maps has it on the way out. */
async function generically(request: RehearsalRequest, way: WayOut): Promise<RehearsalRequest> {
  const generic = way.is === "smtp" ? way.context.generic : undefined;
  const sender = await generic?.(request.sender) ?? request.sender;
  const domain = sender.slice(sender.lastIndexOf("@") + 1).toLowerCase();
  return sender === request.sender ? request : { ...request, sender, domain };
}

async function sourceFor({ addresses }: RehearsalRequest, way: WayOut, world: MailWorld): Promise<Source> {
  if (way.is === "other" && addresses.length === 0) return { is: "unknown", why: way.why };
  return sourceOf({
    given: addresses,
    relay: way.is === "smtp" && way.relayed ? way.nexthop : undefined,
    local: way.is === "smtp" ? await localSources(way.context) : [],
    proxies: world.proxyAddresses,
  });
}

const seenOf = (source: Source) =>
  source.is === "known" ? source.addresses.map(({ address }) => address) : [];

const isRelayed = (way: WayOut) => way.is === "smtp" && way.relayed;

function heloOf({ way, configuration }: Scene): string {
  return (way.is === "smtp" ? way.service.settings : configuration.settings).smtp_helo_name;
}

async function lookAtMx(
  { request: { domain }, world: { resolver }, configuration }: Scene,
  signal: AbortSignal,
) {
  const mx = await resolver.mx(domain, signal);
  const exchangers = mx.is === "records" ? mx.records.slice(0, MOST) : [];
  const addresses = (host: string): Promise<AddressAnswer> => resolver.addresses(host, [4, 6], signal);
  return checkMx({
    domain,
    mx,
    own: mx.is === "nodata" ? await addresses(domain) : undefined,
    hosts: await Promise.all(
      exchangers.map(async ({ exchange: host }) => ({ host, addresses: await addresses(host) })),
    ),
    myhostname: configuration.settings.myhostname,
  });
}

/** A relay has a name of its own; ours is not seen. */
async function lookAtNames(scene: Scene, signal: AbortSignal): Promise<CheckResult[]> {
  const { source, world: { resolver } } = scene;
  const found = await Promise.all(
    seenOf(source).map(async (address) => {
      const ptr = await resolver.ptr(address, signal);
      const targets = ptr.is === "records" ? ptr.records.slice(0, MOST).map(({ target }) => target) : [];
      const names = await Promise.all(targets.map(async (name) => ({
        name,
        addresses: await resolver.addresses(name, [address.includes(":") ? 6 : 4], signal),
      })));
      return checkReverse({ address, ptr, names, helo: heloOf(scene) });
    }),
  );
  return found.flat();
}

async function lookAtHelo(scene: Scene, signal: AbortSignal): Promise<CheckResult[]> {
  if (isRelayed(scene.way)) return [];
  const helo = heloOf(scene);
  const addresses = await scene.world.resolver.addresses(helo, [4, 6], signal);
  return checkHelo({ helo, addresses, seen: seenOf(scene.source) });
}

async function lookAtTls({ way, request }: Scene, signal: AbortSignal): Promise<CheckResult[]> {
  if (way.is !== "smtp") return [];
  const { level } = clientTlsSettings("smtp", way.service.settings);
  const trials = request.to === undefined ? undefined : await trySite(way.nexthop, way.context, signal);
  return checkTls({ level, trials });
}

async function lookAtIdentity(scene: Scene, signal: AbortSignal): Promise<CheckResult[]> {
  const { request: { sender, domain, bulk }, world, configuration, clock, source } = scene;
  const dkim = await dkimFacts(domain, configuration, world, signal);
  const identity = { sender, domain, helo: heloOf(scene), seen: seenOf(source), dkim, bulk };
  return await checkIdentity(identity, { resolver: world.resolver, clock, signal });
}

/** A larger message is none that anybody takes. */
const LARGEST = 100_000_000;

async function lookAtMessage({ request, configuration: { settings }, clock }: Scene): Promise<CheckResult[]> {
  const { message = "", domain, bulk } = request;
  let bytes: Buffer;
  try {
    bytes = readPlain(message, LARGEST);
  } catch (error) {
    return [problem("message", `${message}: ${systemErrorText(error)}`)];
  }
  const facts = messageFacts(bytes);
  const { signed, oversigned } = new FieldRules(settings).for(facts.fields);
  return checkMessage(facts, {
    domain,
    bulk,
    sizeLimit: settings.message_size_limit,
    now: clock.now(),
    signed: settings.dkim_signing_keys === "" ? undefined : [...signed, ...oversigned],
  });
}

async function lookAtLists({ source, request: { lists }, world: { resolver } }: Scene, signal: AbortSignal) {
  const asked = seenOf(source).flatMap((address) =>
    lists.map((list) => checkListed(address, list, resolver, signal))
  );
  if (asked.length > 0) return await Promise.all(asked);
  return [warning("DNSBL", "no list was asked: the address that receivers see is not known")];
}
