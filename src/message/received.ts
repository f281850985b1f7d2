import { mailDate } from "./date.ts";

/** The Received: header of a message made here: notices, forwarded mail (`by mail.example.com (Postfix)`, id, date). */
export function internalReceived(
  settings: { readonly myhostname: string; readonly mail_name: string },
  id: string,
  time: number,
): string {
  return `Received: by ${settings.myhostname} (${settings.mail_name})\r\n\tid ${id}; ${mailDate(time)}\r\n`;
}

/** The Received: header of mail that a user of this machine has handed over (pickup(8)). */
export function userReceived(
  settings: { readonly myhostname: string; readonly mail_name: string },
  { id, uid, time }: { readonly id: string; readonly uid: number; readonly time: number },
): string {
  const by = `Received: by ${settings.myhostname} (${settings.mail_name}, from userid ${uid})`;
  return `${by}\r\n\tid ${id}; ${mailDate(time)}\r\n`;
}
