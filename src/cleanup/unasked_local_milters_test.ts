import { expect, test } from "bun:test";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import type { Cleanup, Committed, Submission } from "./cleanup.ts";
import { withUnaskedLocalMilters } from "./unasked_local_milters.ts";

const LOCAL = {
  id: "4ABC",
  sender: "a@a.example",
  recipients: [],
  origin: {},
  prepend: [],
} as unknown as Submission;
const FROM_NETWORK = { ...LOCAL, origin: { clientName: "x", clientAddress: "192.0.2.7" } } as Submission;

/** What becomes of a message: `queued`, `held`, or the reply. */
async function fate(
  submission: Submission,
  action: string,
  more: { readonly internal?: string; readonly override?: string } = {},
): Promise<string> {
  let held = false;
  const cleanup: Cleanup = {
    begin: ({ id, hold }) => {
      held = hold === true;
      return {
        size: 0,
        write: () => {},
        commit: (): Promise<Committed> => Promise.resolve({ is: "queued", id, size: 0 }),
        abort: () => {},
      };
    },
  };
  const settings = {
    non_smtpd_milters: "inet:127.0.0.1:1",
    milter_default_action: action,
    internal_mail_filter_classes: more.internal ?? "",
    receive_override_options: more.override ?? "",
  };
  const message = withUnaskedLocalMilters(cleanup, settings, memoryLog()).begin(submission);
  await message.write(Buffer.from("Subject: s\r\n"));
  const committed = await message.commit();
  if (committed.is === "queued") return held ? "held" : "queued";
  const { code, status, lines } = committed.reply;
  return `${code} ${status} ${lines.join(" ")}`;
}

const TRY_AGAIN = "451 4.7.1 Service unavailable - try again later";
const NOTICE: Submission = { ...LOCAL, kind: "bounce" };

test.each<[string, Promise<string>, string]>([
  ["local mail waits outside", fate(LOCAL, "tempfail"), TRY_AGAIN],
  ["or is refused", fate(LOCAL, "reject"), "550 5.5.0 Service unavailable"],
  ["or is held", fate(LOCAL, "quarantine"), "held"],
  ["or passes", fate(LOCAL, "accept"), "queued"],
  ["mail from the network is smtpd's", fate(FROM_NETWORK, "tempfail"), "queued"],
  ["notices pass", fate(NOTICE, "tempfail"), "queued"],
  ["unless they are to be filtered", fate(NOTICE, "tempfail", { internal: "bounce" }), TRY_AGAIN],
  ["nobody is asked under no_milters", fate(LOCAL, "tempfail", { override: "no_milters" }), "queued"],
])("filters that cannot be asked: %s", async (_claim, found, want) => {
  expect(await found).toBe(want);
});
