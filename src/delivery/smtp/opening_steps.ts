import { type OpeningStep, receiveGreeting, sayHello } from "./opening.ts";
import { checkRequireTls, type OpeningTls, startTls, wrapInTls } from "./start_tls_step.ts";

/** How a session begins: greeting, hello, and TLS where it comes (RFC 5321 §3.1, RFC 3207). AUTH is a further step. */
export function openingSteps(tls: OpeningTls): readonly OpeningStep[] {
  return tls.settings.wrapperMode
    ? [wrapInTls(tls), receiveGreeting, sayHello, checkRequireTls(tls)]
    : [receiveGreeting, sayHello, startTls(tls, sayHello), checkRequireTls(tls)];
}
