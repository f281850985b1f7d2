import { listeningEndpoints } from "../../config/listening_endpoints.ts";
import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import type { World } from "../../config/world.ts";
import type { Port } from "./ports_check.ts";

/** Every port that the entries of master.cf listen on; where an address cannot be told the check of the files says so. */
export function portsOf(configuration: Configuration, world: World): Port[] {
  const found = listeningEndpoints(configuration, world, ({ type }) => type === "inet");
  if (found.is === "bad") return [];
  return found.endpoints.map(({ address, port, service: index, optional }) => {
    const service = configuration.services[index]!;
    const { program } = service;
    return { address, port, service: serviceKey(service), program, optional, greets: greetingOf(service) };
  });
}

/** A proxy has to speak first where one is expected, and other programs may wait for the client. */
function greetingOf({ program, settings }: Service): Port["greets"] {
  const proxied = program === "postscreen"
    ? settings.postscreen_upstream_proxy_protocol
    : settings.smtpd_upstream_proxy_protocol;
  if ((program !== "smtpd" && program !== "postscreen") || proxied !== "") return "never";
  return program === "smtpd" && settings.smtpd_tls_wrappermode ? "under TLS" : "at once";
}
