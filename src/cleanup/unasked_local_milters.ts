import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { splitList } from "../config/syntax/list.ts";
import { parseMilters, unasked } from "../milter/default_action.ts";
import type { Log } from "../observe/log.ts";
import { type Reply, replyText } from "../smtp/reply.ts";
import { originText } from "./check_run.ts";
import type { Cleanup, IncomingMessage, Submission } from "./cleanup.ts";

/** The filters of mail that does not come by SMTP: they are not spoken to yet. */
export const LOCAL_MILTER_DEMANDS = ["non_smtpd_milters"] as const satisfies readonly ParameterName[];

/** The parameters that say which mail is theirs, and what comes of it. */
export const LOCAL_MILTER_PARAMETERS = [
  "internal_mail_filter_classes",
  "milter_default_action",
  "receive_override_options",
] as const satisfies readonly ParameterName[];

type LocalMilterSettings =
  & SettingsOf<typeof LOCAL_MILTER_DEMANDS>
  & SettingsOf<typeof LOCAL_MILTER_PARAMETERS>;

/**
 * The same cleanup, for mail that did not come by SMTP and that filters should see (non_smtpd_milters): local submissions, and
 * notices where internal_mail_filter_classes says so. The filters cannot be asked, so milter_default_action decides.
 */
export function withUnaskedLocalMilters(cleanup: Cleanup, settings: LocalMilterSettings, log: Log): Cleanup {
  const milters = parseMilters(settings.non_smtpd_milters, settings.milter_default_action);
  if (milters.length === 0 || splitList(settings.receive_override_options).includes("no_milters")) {
    return cleanup;
  }
  const classes = splitList(settings.internal_mail_filter_classes);
  return {
    begin(submission) {
      if (!isTheirs(submission, classes)) return cleanup.begin(submission);
      const { verdict, warnings } = unasked(milters);
      for (const warning of warnings) log.note("cleanup", "warning", warning);
      if (verdict.is === "pass") return cleanup.begin(submission);
      tell(submission, verdict.is === "hold" ? "milter triggers HOLD action" : replyText(verdict.reply), log);
      return verdict.is === "hold"
        ? cleanup.begin({ ...submission, hold: true })
        : refused(cleanup.begin(submission), verdict.reply);
    },
  };
}

function isTheirs({ kind, origin }: Submission, classes: readonly string[]): boolean {
  if (kind === undefined) return origin.clientAddress === undefined;
  return (kind === "bounce" || kind === "notify") && classes.includes(kind);
}

function tell(submission: Submission, text: string, log: Log): void {
  const verb = /^\d/.test(text) ? "milter-reject" : "milter-hold";
  log.note("cleanup", "info", `${submission.id}: ${verb}: CONNECT ${originText(submission)}: ${text}`);
}

/** A message whose content is not wanted. */
function refused(message: IncomingMessage, reply: Reply): IncomingMessage {
  message.abort();
  let size = 0;
  return {
    get size() {
      return size;
    },
    write: (bytes) => void (size += bytes.length),
    commit: () => Promise.resolve({ is: "refused", reply }),
    abort: () => {},
  };
}
