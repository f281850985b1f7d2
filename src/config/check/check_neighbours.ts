import { parseNetwork } from "../../address/network.ts";
import type { Network } from "../../address/network.ts";
import { textOf } from "./check_main.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { splitList } from "../syntax/list.ts";
import type { Scope } from "../scope.ts";

/** Networks whose addresses are not routed on the internet (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291). */
const INTERNAL: readonly Network[] = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16"],
  ...["::1/128", "fc00::/7", "fe80::/10"],
].flatMap((text) => {
  const network = parseNetwork(text);
  return "malformed" in network ? [] : [network];
});

/** Says which neighbours on the internet the built-in mynetworks trusts (postconf(5), mynetworks_style). */
export function checkNeighbours(scope: Scope): Diagnostic[] {
  if (scope.setting("mynetworks") !== undefined) return [];
  const style = textOf(scope, "mynetworks_style") ?? "";
  const trusted = splitList(textOf(scope, "mynetworks") ?? "").filter(isPublicNetwork);
  if (trusted.length === 0) return [];
  const text = `mynetworks is not set, and mynetworks_style = ${style} lets every machine in ${
    trusted.join(", ")
  } relay`;
  return [{
    ...scope.complaint("mynetworks_style", style, text, undefined),
    level: "warning",
    hint: "mynetworks_style = host trusts this machine alone; or name your own networks in mynetworks",
  }];
}

function isPublicNetwork(item: string): boolean {
  const network = parseNetwork(item);
  if ("malformed" in network || network.length === network.bytes.length * 8) return false;
  return !INTERNAL.some((known) => known.length <= network.length && isInside(network, known));
}

function isInside(network: Network, known: Network): boolean {
  if (network.family !== known.family) return false;
  return known.bytes.every((byte, at) => {
    const bits = Math.min(Math.max(known.length - at * 8, 0), 8);
    return (network.bytes[at]! & (0xff00 >> bits) & 0xff) === byte;
  });
}
