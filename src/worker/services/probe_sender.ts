import { systemClock } from "../../base/clock.ts";
import { then } from "../../base/maybe_async.ts";
import type { ProbeSender } from "../../smtpd/deps.ts";
import { VerifySender, type VerifySenderSettings } from "../../verify/verify_sender.ts";
import type { MailWorld } from "./mail_world.ts";

/** The sender address of probes under a service's settings (address_verify_sender). */
export function verifySenderFor(settings: VerifySenderSettings, world: MailWorld): VerifySender {
  return new VerifySender(settings, (address) => world.rewriter.standardForm(address, "local"));
}

/** The same as smtpd knows it: probes come in with it, and mail for it has nowhere to go. */
export function openProbeSender(settings: VerifySenderSettings, world: MailWorld): ProbeSender {
  const sender = verifySenderFor(settings, world);
  return {
    recognize: (address) => sender.recognize(address, Math.floor(systemClock.now() / 1000)),
    isOurs: () =>
      then(
        world.router.resolve("", sender.template),
        (found) => found.is === "resolved" && !found.malformed && found.class !== "default",
      ),
  };
}
