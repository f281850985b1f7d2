// The session transcripts against the compiled binary, one service of master.cf for each.
import { liveLine, masterLines } from "../../kit/scenes/live_line.ts";
import { BASE_MAIN_CF } from "../../kit/memory/memory_smtpd.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { allTranscripts, play } from "../../kit/scenes/transcript.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

const transcripts = allTranscripts().filter(({ only }) => only === undefined || only === "mta");
/** What is not an option of one service: the fast flush service takes what the transcripts' own lists let through. */
const SHARED = { smtpd_client_connection_count_limit: "0", fast_flush_domains: "static:all" };
const ports: number[] = [];
let server: Server | undefined;

beforeAll(async () => {
  while (ports.length < transcripts.length) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  server = await startServer({
    mainCf: Object.entries({ ...BASE_MAIN_CF, ...SHARED })
      .map(([name, value]) => `${name} = ${value}`),
    masterCf: transcripts.map((transcript, i) => {
      const main = { fast_flush_domains: "$relay_domains", ...transcript.main };
      return masterLines({ ...transcript, main }, ports[i]!, BASE_MAIN_CF);
    }),
  });
}, 180_000);

afterAll(async () => void await server?.stop());

transcripts.forEach((transcript, i) => {
  test.concurrent(`${transcript.file}: ${transcript.title}`, async () => {
    await play(transcript, await liveLine(transcript, ports[i]!, () => server!.log()));
  }, 180_000);
});
