import { servedCertificates } from "../certificates/served_certificates.ts";
import type { Configuration, Service } from "../../config/service.ts";
import { isReadableByOthers } from "../../platform/file/readable_by_others.ts";
import { systemCa } from "../../platform/socket/certificate_authorities.ts";
import { type CertificateUse, demandsTls, serviceNames } from "../../tls/own/certificate_uses.ts";
import { type Certificate, readCertificate } from "../../tls/x509/certificate.ts";
import type { Chain, ChainFault } from "../../tls/own/chain.ts";
import { loadOwnChains, NO_SERVER_CERTIFICATE } from "../../tls/own/chain_files.ts";
import { pathsOf } from "../../tls/own/chain_parameters.ts";
import { chainProblems } from "../../tls/own/chain_problems.ts";
import { pemObjects } from "../../tls/x509/pem.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import type { Finding, Severity } from "./finding.ts";
import { placeOf, placeText } from "./place_of.ts";

/** Keys and certificates as they would be served: what keeps them from it, and what others would have against them. */
export function checkCertificates(configuration: Configuration, files: TlsFiles): Finding[] {
  const authorities = once(systemAuthorities);
  return servedCertificates(configuration).flatMap((use) =>
    checkUse(use, { configuration, files, authorities })
  );
}

interface Scene {
  readonly configuration: Configuration;
  readonly files: TlsFiles;
  readonly authorities: () => readonly Certificate[] | undefined;
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** Undefined where the system has none: there is nothing to hold a chain against then. */
function systemAuthorities(): readonly Certificate[] | undefined {
  const found = pemObjects(systemCa()).objects.map(({ der }) => readCertificate(Buffer.from(der)))
    .filter((each) => each !== undefined);
  return found.length === 0 ? undefined : found;
}

function checkUse(use: CertificateUse, scene: Scene): Finding[] {
  const { files: { side, warnings }, services } = use;
  const loaded = loadOwnChains(use.files, (path) => scene.files.read(path));
  const say = (severity: Severity, parameter: string, text: string, consequence?: string): Finding => {
    const place = placeOf(parameter, services[0]!, scene.configuration);
    const full = consequence === undefined ? text : `${text}; ${consequence}`;
    return {
      severity,
      text: `${placeText(place)}: ${full}`,
      consequence: full,
      parameter,
      ...place,
    };
  };
  const notes = warnings.map((text) => say("warning", `${side}_tls_chain_files`, text));
  if (loaded.is === "fault") return [...notes, faultFinding(loaded.fault, use, say)];
  // That nothing is named, the check of the files has found already.
  if (loaded.is === "none") return notes;
  if (loaded.chains.size === 0) {
    const fix =
      `${side}_tls_chain_files: name a file with a key that TLS has here, RSA or P-256, and its certificate`;
    const words = [...loaded.notes, NO_SERVER_CERTIFICATE];
    return [...notes, faultFinding({ words, fix, isOfSystem: false }, use, say)];
  }
  const parameterOf = (path: string) =>
    pathsOf(use.files).find((each) => each.path === path)?.parameter ?? `${side}_tls_chain_files`;
  return [
    ...notes,
    ...loaded.notes.map((text) => say("warning", `${side}_tls_chain_files`, text)),
    ...[...loaded.chains.values()].flatMap((chain) => [
      ...problemsOf(chain, use, scene).map((text) =>
        say("warning", parameterOf(chain.certificateSource), text)
      ),
      ...exposed(chain).map((text) => say("warning", parameterOf(chain.keySource), text)),
    ]),
  ];
}

type Say = (severity: Severity, parameter: string, text: string, consequence?: string) => Finding;

/** Mail that is only taken over TLS is not taken at all; other mail comes and goes in the clear. */
function faultFinding(
  { words, fix }: ChainFault,
  { files: { side }, services, name }: CertificateUse,
  say: Say,
): Finding {
  if (name !== undefined) {
    const text = `${words.join("; ")}: ${fix.replace(/^\w+: /, "")}`;
    return say("weaker", "tls_server_sni_maps", text, `whoever asks for ${name} gets no handshake`);
  }
  const parameter = /^(\w+): /.exec(fix)?.[1] ?? `${side}_tls_chain_files`;
  const shut = services.filter((service) => side === "smtpd" && demandsTls(service));
  const names = (of: readonly Service[]) => serviceNames(of).join(", ");
  const consequence = side !== "smtpd"
    ? `${names(services)}: no TLS`
    : shut.length > 0
    ? `${names(shut)} takes no mail, as it takes it over TLS alone`
    : `${names(services)}: STARTTLS is answered with 454, and mail comes in the clear`;
  return say(
    shut.length > 0 ? "closed" : "weaker",
    parameter,
    `${words.join("; ")}: ${fix.replace(/^\w+: /, "")}`,
    consequence,
  );
}

function problemsOf(
  chain: Chain,
  { files: { side }, services, name }: CertificateUse,
  scene: Scene,
): string[] {
  const isServer = side === "smtpd";
  const own = name === undefined ? services.map(({ settings }) => settings.myhostname) : [name];
  const names = isServer ? [...new Set(own)] : [];
  return chainProblems(chain, {
    now: scene.files.now(),
    names,
    role: isServer ? "server" : "client",
    authorities: scene.authorities,
  }).map(({ text }) => text);
}

function exposed({ keySource }: Chain): string[] {
  if (!isReadableByOthers(keySource)) return [];
  return [`${keySource}: every user of this machine may read this key: chmod o-rwx ${keySource}`];
}
