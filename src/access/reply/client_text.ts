import type { ClientFacts } from "../policy.ts";

/** The client as replies and log lines show it: `name[address]`, with `:port` where smtpd_client_port_logging asks for it. */
export function clientText(client: ClientFacts, withPort: boolean): string {
  const text = `${client.name}[${client.address}]`;
  return withPort ? `${text}:${client.port}` : text;
}
