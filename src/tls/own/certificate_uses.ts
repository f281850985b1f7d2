import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { type OwnFiles, ownFilesOf } from "./chain_parameters.ts";

/** Certificates and keys, and the services that show them. */
export interface CertificateUse {
  readonly files: OwnFiles;
  readonly services: readonly Service[];
  /** The name that it is for, where a client has to ask for it (tls_server_sni_maps); `.example.com` stands for those below. */
  readonly name?: string;
}

/** Every set of files that a service would read, with the services: each set once. */
export function certificateUses({ services }: Configuration): CertificateUse[] {
  const uses = new Map<string, { files: OwnFiles; services: Service[] }>();
  for (const service of services) {
    const files = filesOf(service);
    if (files === undefined) continue;
    const key = JSON.stringify(files);
    const use = uses.get(key);
    if (use === undefined) uses.set(key, { files, services: [service] });
    else use.services.push(service);
  }
  return [...uses.values()];
}

/** Services as they are named in findings and metrics. */
export function serviceNames(services: readonly Service[]): string[] {
  return [...new Set(services.map(serviceKey))];
}

function filesOf(service: Service): OwnFiles | undefined {
  const { program, settings } = service;
  if (program === "smtpd") return offersTls(service) ? ownFilesOf("smtpd", settings) : undefined;
  if (program !== "smtp" && program !== "lmtp") return undefined;
  const files = ownFilesOf(program, settings);
  return files.chainFiles.length > 0 || files.pairs.length > 0 ? files : undefined;
}

/** Whether an smtpd has TLS by its parameters, the older ones too (postconf(5)). */
export function offersTls(service: Pick<Service, "parameter">): boolean {
  const is = (name: string) => service.parameter(name)?.toLowerCase() === "yes";
  if (is("smtpd_tls_wrappermode")) return true;
  const level = service.parameter("smtpd_tls_security_level") ?? "";
  if (level !== "") return level !== "none";
  return is("smtpd_use_tls") || is("smtpd_enforce_tls");
}

/** Whether an smtpd takes mail over TLS alone. */
export function demandsTls(service: Pick<Service, "parameter">): boolean {
  const is = (name: string) => service.parameter(name)?.toLowerCase() === "yes";
  if (is("smtpd_tls_wrappermode")) return true;
  const level = service.parameter("smtpd_tls_security_level") ?? "";
  return level === "" ? is("smtpd_enforce_tls") : level !== "none" && level !== "may";
}
