import type { Context } from "../context.ts";

/** Refusals that membership in mynetworks is there to spare a client: reject_unauth_destination, reject and their kin. */
const FOR_STRANGERS = /: (?:Relay access denied|Access denied)$/;

/**
 * What the log adds to the refusal of a client that mynetworks contains, but only as one address of many, when it is this container's
 * default gateway: behind it may be anybody, so it is treated as a stranger (trust_container_gateway).
 */
export function gatewayRemark({ deps, facts: { client } }: Context, text: string): string | undefined {
  const { address } = client;
  if (deps.untrustedGateways?.includes(address) !== true || !FOR_STRANGERS.test(text)) return undefined;
  return `${address} is this container's default gateway, which anybody may hide behind: mynetworks counts for it only with ` +
    `trust_container_gateway = yes, or with ${address} in mynetworks by itself`;
}
