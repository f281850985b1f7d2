import type { Diagnostic } from "../syntax/diagnostic.ts";
import type { Scope } from "../scope.ts";
import { textOf } from "./check_main.ts";

/** Says which gateway of this container is not trusted though mynetworks contains it, and what would trust it. */
export function checkGateway(scope: Scope): Diagnostic[] {
  return hidden(scope).filter(({ mention }) => mention === "within").map(({ address }) => ({
    ...scope.complaint("mynetworks", textOf(scope, "mynetworks") ?? "", textFor(address), undefined),
    level: "warning",
    hint: `${address} in mynetworks, by itself, or trust_container_gateway = yes would trust it`,
  }));
}

function textFor(address: string): string {
  return `mynetworks contains ${address}, this container's default gateway: a proxy there (docker-proxy, slirp4netns, pasta) ` +
    "lends its address to every client, so it is not trusted";
}

function hidden(scope: Scope): ReturnType<Scope["hiddenGateways"]> {
  try {
    return scope.hiddenGateways();
  } catch {
    return []; // a value that cannot be expanded is reported elsewhere
  }
}
