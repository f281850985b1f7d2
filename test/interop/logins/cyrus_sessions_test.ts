// The transcripts of logins beside a real saslauthd: what Postfix says with its Cyrus plug-in, the compiled binary says too.
import { join } from "node:path";
import { expect } from "bun:test";
import { chmodSync } from "node:fs";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { liveLine, masterLines } from "../../kit/scenes/live_line.ts";
import { BASE_MAIN_CF } from "../../kit/memory/memory_smtpd.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type Saslauthd, startSaslauthd } from "../../kit/servers/saslauthd.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { allTranscripts, play, type Transcript } from "../../kit/scenes/transcript.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "postfix",
  "cyrus plug-ins",
  "saslauthd",
  "root",
);

const transcripts = allTranscripts(join(import.meta.dirname, "../../sessions/cyrus"));
const theirs = transcripts.filter(({ only }) => only === undefined || only === "postfix");
const ours = transcripts.filter(({ only }) => only === undefined || only === "mta");
const [theirPorts, ourPorts]: [number[], number[]] = [[], []];
let saslauthd: Saslauthd | undefined;
let postfix: PostfixInstance | undefined;
let server: Server | undefined;

const LOGINS = { smtpd_sasl_auth_enable: "yes", smtpd_sasl_type: "cyrus" };

/** smtpd.conf and its kin, beside main.cf, as Debian has them. */
function applications(mux: string): Readonly<Record<string, string>> {
  const asks = (path: string) =>
    `# who is asked\npwcheck_method: saslauthd\nmech_list: plain login\nsaslauthd_path: ${path}\n`;
  return {
    "sasl/smtpd.conf": asks(mux),
    "sasl/missing.conf": asks(`${mux}-nowhere`),
    "sasl/broken.conf": "pwcheck_method: saslauthd\nmech_list = PLAIN\n",
    "sasl/sasldb.conf": "pwcheck_method: auxprop\nmech_list: plain login cram-md5\n",
  };
}

beforeAll(async () => {
  saslauthd = await startSaslauthd();
  const files = applications(saslauthd.mux);
  const main = { ...BASE_MAIN_CF, ...LOGINS };
  const master = (of: readonly Transcript[], ports: readonly number[]) =>
    of.map((transcript, i) => masterLines(transcript, ports[i]!, main));
  const ports = await freePorts(theirs.length + ours.length);
  theirPorts.push(...ports.slice(0, theirs.length));
  ourPorts.push(...ports.slice(theirs.length));
  postfix = await startPostfix({
    main,
    master: master(theirs, theirPorts).join(""),
    files,
  });
  server = await startServer({
    files,
    mainCf: Object.entries({ ...main, smtpd_client_connection_count_limit: "0" })
      .map(([name, value]) => `${name} = ${value}`),
    masterCf: master(ours, ourPorts),
  });
}, 90_000);

afterAll(async () => {
  await postfix?.stop();
  await server?.stop();
  await saslauthd?.stop();
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

test("an smtpd.conf that only root may read is read all the same", async () => {
  chmodSync(join(server!.configDirectory, "sasl/smtpd.conf"), 0o600);
  expect((await server!.mta("reload")).code).toBe(0);
  const port = ourPorts[ours.findIndex(({ title }) => title === "PLAIN")]!;
  const client = await talk(port);
  await client.say("EHLO x");
  expect(await client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==")).toBe("235 2.7.0 Authentication successful");
  client.end();
}, 60_000);

test("the check says what of Cyrus is not there, and what would be instead", async () => {
  const { stdout, stderr } = await server!.mta("check");
  const folder = join(server!.configDirectory, "sasl");
  const said = stdout + stderr;
  expect(said).toContain(
    `AUTH is not offered: smtpd_sasl_type = cyrus: ${folder}/sasldb.conf: pwcheck_method: auxprop is not there, only saslauthd`,
  );
  expect(said).toContain(`error when parsing configuration file ${folder}/broken.conf, line 2`);
}, 60_000);
