// The session transcripts against the real Postfix: what we claim it says is what it says.
import { afterAll, beforeAll, test } from "bun:test";
import { liveLine, masterLines } from "../kit/live_line.ts";
import { BASE_MAIN_CF } from "../kit/memory_smtpd.ts";
import { postfixAvailable, type PostfixInstance, startPostfix } from "../kit/postfix.ts";
import { freePort } from "../kit/server.ts";
import { allTranscripts, play } from "../kit/transcript.ts";

const transcripts = allTranscripts().filter(({ only }) => only === undefined || only === "postfix");
const ports: number[] = [];
let postfix: PostfixInstance | undefined;

beforeAll(async () => {
  if (!postfixAvailable()) return;
  while (ports.length < transcripts.length) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const master = transcripts.map((transcript, i) => masterLines(transcript, ports[i]!, BASE_MAIN_CF)).join(
    "",
  );
  postfix = startPostfix({ main: { ...BASE_MAIN_CF, default_process_limit: "200" }, master });
}, 30_000);

afterAll(() => postfix?.stop());

transcripts.forEach((transcript, i) => {
  test.skipIf(!postfixAvailable())(`${transcript.file}: ${transcript.title}`, async () => {
    await play(transcript, await liveLine(transcript, ports[i]!, () => postfix!.log()));
  }, 20_000);
});
