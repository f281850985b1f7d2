import type { LightConfiguration } from "../../config/read_settings.ts";
import { submitRefusal } from "../../pickup/submit_users.ts";
import type { SystemUser } from "../../platform/process/users.ts";
import type { TableContext } from "../../table/context.ts";
import { SendmailFault } from "./_complaints.ts";

/** Whether who calls us may send, and as whom. Pickup asks again: here it is for who wants to know at once. */
export interface Rights {
  checkUser(uid: number, row: SystemUser | undefined): Promise<void>;
  checkSender(uid: number, row: SystemUser | undefined, sender: string): Promise<void>;
}

/** authorized_submit_users and local_login_sender_maps, whose tables are only loaded where there are some. */
export function openRights(configuration: LightConfiguration, warn: (text: string) => void): Rights {
  const { settings, directory, parameter } = configuration;
  const context: TableContext = { directory, parameter, warn, clock: Date.now };
  return {
    async checkUser(uid, row) {
      const name = row?.name ?? "unknown";
      const refusal = await submitRefusal(settings.authorized_submit_users, name, context);
      if (refusal === undefined) return;
      if (refusal !== "not listed") throw new SendmailFault(refusal.trouble);
      throw new SendmailFault(`User ${name}(${uid}) is not allowed to submit mail`);
    },
    async checkSender(uid, row, sender) {
      if (settings.local_login_sender_maps === "static:*") return;
      const { openLoginSenders } = await import("../../pickup/login_senders.ts");
      const { createOpenTables } = await import("../../rewrite/open_tables.ts");
      const tables = createOpenTables(context);
      try {
        const refusal = await openLoginSenders(settings, tables)(row?.name ?? `uid:${uid}`, sender);
        if (refusal !== undefined) throw new SendmailFault(refusal.why);
      } finally {
        tables.close();
      }
    },
  };
}
