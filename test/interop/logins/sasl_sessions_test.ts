// The transcripts of logins beside a real Dovecot: what we claim of the real Postfix it says, and the compiled binary says the same.
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { liveLine, masterLines } from "../../kit/scenes/live_line.ts";
import { BASE_MAIN_CF } from "../../kit/memory/memory_smtpd.ts";
import { SASL_MAIN_CF, SASL_SESSIONS } from "../../kit/scenes/sasl_sessions.ts";
import { type Dovecot, startDovecot } from "../../kit/servers/dovecot.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { allTranscripts, play, type Transcript } from "../../kit/scenes/transcript.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "dovecot", "postfix", "root");

const transcripts = allTranscripts(SASL_SESSIONS);
const theirs = transcripts.filter(({ only }) => only === undefined || only === "postfix");
const ours = transcripts.filter(({ only }) => only === undefined || only === "mta");
const [theirPorts, ourPorts]: [number[], number[]] = [[], []];
let dovecot: Dovecot | undefined;
let postfix: PostfixInstance | undefined;
let server: Server | undefined;

beforeAll(async () => {
  dovecot = await startDovecot();
  const main = { ...BASE_MAIN_CF, ...SASL_MAIN_CF, smtpd_sasl_path: dovecot.socket };
  const master = (of: readonly Transcript[], ports: readonly number[]) =>
    of.map((transcript, i) => masterLines(transcript, ports[i]!, main));
  const ports = await freePorts(theirs.length + ours.length);
  theirPorts.push(...ports.slice(0, theirs.length));
  ourPorts.push(...ports.slice(theirs.length));
  postfix = await startPostfix({
    main: { ...main, default_process_limit: "200" },
    master: master(theirs, theirPorts).join(""),
  });
  server = await startServer({
    mainCf: Object.entries({ ...main, smtpd_client_connection_count_limit: "0" })
      .map(([name, value]) => `${name} = ${value}`),
    masterCf: master(ours, ourPorts),
  });
}, 90_000);

afterAll(async () => {
  await postfix?.stop();
  await server?.stop();
  await dovecot?.stop();
});

theirs.forEach((transcript, i) => {
  test.concurrent(`Postfix: ${transcript.file}: ${transcript.title}`, async () => {
    await play(transcript, await liveLine(transcript, theirPorts[i]!, () => postfix!.log()));
  }, 60_000);
});

ours.forEach((transcript, i) => {
  test.concurrent(`ours: ${transcript.file}: ${transcript.title}`, async () => {
    await play(transcript, await liveLine(transcript, ourPorts[i]!, () => server!.log()));
  }, 60_000);
});
