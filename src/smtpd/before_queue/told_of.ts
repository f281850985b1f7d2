import type { Context } from "../context.ts";
import type { Told } from "./xforward_lines.ts";

const known = (text: string): string | undefined => text === "unknown" || text === "" ? undefined : text;

/** What a filter is told: what the client's upstream told us, or else the client itself. */
export function toldOf({ facts: { client, hello, esmtp, forwarded } }: Context, local: boolean): Told {
  const source = { SOURCE: local ? "LOCAL" : "REMOTE" };
  if (forwarded !== undefined) return { ...source, ...forwarded };
  const [name, address] = [known(client.name), known(client.address)];
  return {
    ...source,
    ...(name !== undefined && { NAME: name }),
    ...(address !== undefined && { ADDR: address, PORT: String(client.port) }),
    ...(hello !== undefined && { HELO: hello.name }),
    PROTO: esmtp ? "ESMTP" : "SMTP",
  };
}
