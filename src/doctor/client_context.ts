import type { Service } from "../config/service.ts";
import { systemClock } from "../base/clock.ts";
import type { DeliveryContext } from "../delivery/smtp/delivery_context.ts";
import { openDeliveryContext } from "../delivery/smtp/smtp_agent.ts";
import { createLog } from "../observe/create_log.ts";
import { memoryWriter } from "../observe/log_writer.ts";
import type { MailWorld } from "../worker/services/mail_world.ts";

/** What deliveries of an entry of smtp(8) would be made with. What it would log is not kept. */
export function clientContext({ settings }: Service, world: MailWorld): DeliveryContext {
  return openDeliveryContext({
    program: "smtp",
    settings,
    resolver: world.resolver,
    validatedResolver: () => world.validatedResolver(),
    hosts: world.hosts,
    log: createLog({ syslogName: "postfix", writer: memoryWriter() }),
    ownAddresses: world.ownAddresses,
    proxyAddresses: world.proxyAddresses,
    now: () => systemClock.now(),
    rewriting: { openTables: world.openTables, find: world.rewriter.find },
    secrets: world.tables,
  });
}
