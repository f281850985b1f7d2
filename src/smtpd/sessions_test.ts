import { test } from "bun:test";
import { memoryLine } from "../../test/kit/memory/memory_line.ts";
import { allTranscripts, play } from "../../test/kit/scenes/transcript.ts";

for (const transcript of allTranscripts()) {
  if (transcript.only === "postfix") continue;
  test(`${transcript.file}: ${transcript.title}`, async () =>
    await play(transcript, await memoryLine(transcript)));
}
