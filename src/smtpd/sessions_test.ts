import { test } from "bun:test";
import { memoryLine } from "../../test/kit/memory_line.ts";
import { allTranscripts, play } from "../../test/kit/transcript.ts";

for (const transcript of allTranscripts()) {
  if (transcript.only === "postfix") continue;
  test(`${transcript.file}: ${transcript.title}`, async () =>
    await play(transcript, await memoryLine(transcript)));
}
