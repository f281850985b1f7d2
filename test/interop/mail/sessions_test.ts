// The session transcripts against the real Postfix: what we claim it says is what it says.
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { liveLine, masterLines } from "../../kit/scenes/live_line.ts";
import { BASE_MAIN_CF } from "../../kit/memory/memory_smtpd.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { allTranscripts, play } from "../../kit/scenes/transcript.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "postfix", "root");

const transcripts = allTranscripts().filter(({ only }) => only === undefined || only === "postfix");
const ports: number[] = [];
let postfix: PostfixInstance | undefined;

beforeAll(async () => {
  for (let attempt = 1; postfix === undefined; attempt++) {
    ports.splice(0, ports.length, ...await freePorts(transcripts.length));
    const master = transcripts.map((transcript, i) => masterLines(transcript, ports[i]!, BASE_MAIN_CF));
    try {
      postfix = await startPostfix({
        main: { ...BASE_MAIN_CF, default_process_limit: "200" },
        master: master.join(""),
      });
    } catch (error) {
      // Somebody's outgoing connection may have taken one of the ports meanwhile.
      if (attempt === 3 || !String(error).includes("Address already in use")) throw error;
    }
  }
}, 180_000);

afterAll(() => postfix?.stop());

transcripts.forEach((transcript, i) => {
  test.concurrent(`${transcript.file}: ${transcript.title}`, async () => {
    await play(transcript, await liveLine(transcript, ports[i]!, () => postfix!.log()));
  }, 180_000);
});
