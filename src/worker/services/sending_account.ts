import { internalAddress, NULL_ADDRESS } from "../../address/address.ts";
import { MOST_RECIPIENTS, SENDING_PARAMETERS, type Sent } from "../../anvil/sending_ledger.ts";
import { systemClock } from "../../base/clock.ts";
import { inTime } from "../../base/in_time.ts";
import type { Cleanup } from "../../cleanup/cleanup.ts";
import type { ParameterName, Settings } from "../../config/parameters/settings_type.ts";
import { internalReceived } from "../../message/received.ts";
import type { Log } from "../../observe/log.ts";
import { digest } from "../../platform/crypto/digest.ts";
import type { SendingAccount } from "../../smtpd/deps.ts";
import type { AssemblyContext } from "../assembly.ts";

/** Who is told. */
export const SENDING_NOTICE_PARAMETERS = [
  "myhostname",
  "mail_name",
  "user_limit_notice_recipient",
] as const satisfies readonly ParameterName[];

/** What the account is made of. */
export interface SendingParts {
  readonly context: Pick<AssemblyContext, "request" | "store" | "metrics">;
  readonly settings: Settings;
  readonly cleanup: Cleanup;
  readonly log: Log;
  /** Milliseconds that an answer is waited for. */
  readonly timeLimit?: number;
}

/** An answer of master is waited for so long, milliseconds. */
const TIME_LIMIT = 5000;

/** smtpd's account of what users send, in master's ledger; undefined where nobody has a limit. */
export function openSendingAccount(parts: SendingParts): SendingAccount | undefined {
  const { context: { metrics }, settings, log } = parts;
  if (SENDING_PARAMETERS.every((name) => settings[name] === 0)) return undefined;
  const held = metrics.counter("mta_user_held_messages_total", "Messages held for a user's sending limits");
  return {
    async sent(username, addresses) {
      const user = username.toLowerCase();
      try {
        const over = await count(parts, user, addresses);
        if (over === undefined) return { is: "within" };
        held.add(1);
        return { is: "over", over };
      } catch (error) {
        log.note("smtpd", "warning", `sending limits of ${user}: ${(error as Error).message}`);
        return { is: "unknown" };
      }
    },
  };
}

/** Counts a message, its recipients by parts; answers which limit the user is over. Throws when master does not answer. */
async function count(parts: SendingParts, user: string, addresses: readonly string[]) {
  let over: string | undefined;
  for (let at = 0; at === 0 || at < addresses.length; at += MOST_RECIPIENTS) {
    const recipients = addresses.slice(at, at + MOST_RECIPIENTS)
      .map((address) => digest("sha256", address.toLowerCase()).toString("hex", 0, 8));
    const verdict = await ask(parts, { user, messages: at === 0 ? 1 : 0, recipients });
    over ??= verdict.over;
    if (verdict.over !== undefined && verdict.first) await tryToTell(parts, user, verdict.over);
  }
  return over;
}

async function ask({ context: { request }, timeLimit = TIME_LIMIT }: SendingParts, sent: Sent) {
  const work = request("sent", sent);
  const verdict = await inTime(work, { clock: systemClock, limit: timeLimit, late: undefined });
  if (verdict === undefined) throw new Error(`no answer within ${timeLimit} ms`);
  return verdict;
}

/** A notice that cannot be stored changes nothing for the message. */
async function tryToTell(parts: SendingParts, user: string, over: string): Promise<void> {
  try {
    await tell(parts, user, over);
  } catch (error) {
    parts.log.note("smtpd", "warning", `notice that mail of ${user} is held: ${(error as Error).message}`);
  }
}

/** Tells the postmaster, once in an hour or day. */
async function tell({ context: { store }, settings, cleanup }: SendingParts, user: string, over: string) {
  const [id, arrival] = [store.newId(), systemClock.now()];
  const to = internalAddress(settings.user_limit_notice_recipient);
  const message = cleanup.begin({
    id,
    arrival,
    sender: NULL_ADDRESS,
    recipients: [{ address: to, original: to, notify: 0 }],
    origin: {},
    kind: "bounce",
    prepend: [internalReceived(settings, id, arrival)],
    completeHeaders: true,
  });
  const name = user.replace(/[^\x20-\x7e]/g, "?");
  const lines = [
    `From: MAILER-DAEMON (Mail Delivery System)`,
    `To: ${settings.user_limit_notice_recipient}`,
    `Subject: Mail of ${name} is held`,
    "Auto-Submitted: auto-generated",
    "",
    `${name} has sent more than a limit allows: ${over}.`,
    `What is sent from now on waits in the hold queue of ${settings.myhostname}.`,
    "",
    `If the mail is good:  mta user release ${name}`,
    "If it is not, change the password (mta user passwd), and delete what is held",
    "(postsuper -d).",
    "",
  ];
  try {
    await message.write(Buffer.from(lines.join("\r\n")));
    await message.commit();
  } catch (error) {
    message.abort();
    throw error;
  }
}
