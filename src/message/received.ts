import { mailDate } from "./date.ts";

/** The Received: header of a message made here: notices, forwarded mail (`by mail.example.com (Postfix)`, id, date). */
export function internalReceived(
  settings: { readonly myhostname: string; readonly mail_name: string },
  id: string,
  time: number,
): string {
  return received(settings.myhostname, settings.mail_name, id, time);
}

/** The same of a message that a local user submitted: by number, so that no login name gets out. */
export function localReceived(
  settings: { readonly myhostname: string; readonly mail_name: string },
  id: string,
  time: number,
  uid: number,
): string {
  return received(settings.myhostname, `${settings.mail_name}, from userid ${uid}`, id, time);
}

function received(host: string, comment: string, id: string, time: number): string {
  return `Received: by ${host} (${comment})\r\n\tid ${id}; ${mailDate(time)}\r\n`;
}

/** The Received: header of mail that a user of this machine has handed over (pickup(8)). */
export function userReceived(
  settings: { readonly myhostname: string; readonly mail_name: string },
  { id, uid, time }: { readonly id: string; readonly uid: number; readonly time: number },
): string {
  const by = `Received: by ${settings.myhostname} (${settings.mail_name}, from userid ${uid})`;
  return `${by}\r\n\tid ${id}; ${mailDate(time)}\r\n`;
}
