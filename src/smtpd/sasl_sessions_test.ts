// The transcripts of logins over smtpd in memory, with a Dovecot in memory that speaks the protocol of its auth socket.
import { test } from "bun:test";
import { memoryLine } from "../../test/kit/memory/memory_line.ts";
import { SASL_MAIN_CF, SASL_SESSIONS } from "../../test/kit/scenes/sasl_sessions.ts";
import { allTranscripts, play } from "../../test/kit/scenes/transcript.ts";

for (const transcript of allTranscripts(SASL_SESSIONS)) {
  if (transcript.only === "postfix") continue;
  const main = { ...SASL_MAIN_CF, smtpd_sasl_path: "private/auth", ...transcript.main };
  if (main.smtpd_sasl_path !== "private/auth") continue;
  test(`${transcript.file}: ${transcript.title}`, async () =>
    await play(transcript, await memoryLine({ ...transcript, main })));
}
