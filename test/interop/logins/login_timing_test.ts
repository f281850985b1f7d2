// How long a failure takes when another daemon knows the users: as long for those who are there as for those who are not.
import { expect } from "bun:test";
import { DOVECOT_USERS } from "../../kit/memory/memory_dovecot.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type Dovecot, startDovecot } from "../../kit/servers/dovecot.ts";
import { type Saslauthd, startSaslauthd } from "../../kit/servers/saslauthd.ts";
import { talk } from "../../kit/talk.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "dovecot", "saslauthd", "root");

const MAIN = [
  "smtpd_sasl_auth_enable = yes",
  "smtpd_peername_lookup = no",
  "smtpd_client_connection_count_limit = 0",
  "smtpd_error_sleep_time = 0",
  "smtpd_hard_error_limit = 100000",
  "login_failure_limit = 0",
  "login_failure_network_limit = 0",
  "login_failure_user_limit = 0",
];
/** Tries of each kind. */
const TRIES = 250;

let dovecot: Dovecot;
let saslauthd: Saslauthd;
const servers: Partial<Record<"dovecot" | "cyrus", Server>> = {};

beforeAll(async () => {
  [dovecot, saslauthd] = [await startDovecot(), await startSaslauthd()];
  servers.dovecot = await startServer({
    mainCf: [...MAIN, "smtpd_sasl_type = dovecot", `smtpd_sasl_path = unix:${dovecot.socket}`],
  });
  servers.cyrus = await startServer({
    mainCf: [...MAIN, "smtpd_sasl_type = cyrus"],
    files: {
      "sasl/smtpd.conf": `pwcheck_method: saslauthd
mech_list: plain login
saslauthd_path: ${saslauthd.mux}
`,
    },
  });
}, 90_000);

afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop();
  await dovecot?.stop();
  await saslauthd?.stop();
});

const median = (values: readonly number[]) =>
  values.toSorted((one, other) => one - other)[values.length >> 1]!;

/** Sessions at a time: Dovecot answers failures twice a second. */
const SESSIONS = { dovecot: 50, cyrus: 1 } as const;

interface Times {
  readonly known: number[];
  readonly unknown: number[];
}

/** Tries one after the other in a session, known and unknown users in turn. */
async function fail(port: number, tries: number, times: Times): Promise<void> {
  const client = await talk(port);
  await client.say("EHLO client.example");
  const [known] = Object.keys(DOVECOT_USERS);
  for (let turn = 0; turn < tries; turn++) {
    const kind = turn % 2 === 0 ? "known" : "unknown";
    const name = kind === "known" ? known! : `nobody${turn}`;
    const from = performance.now();
    const reply = await client.say(`AUTH PLAIN ${Buffer.from(`\0${name}\0wrong`).toString("base64")}`);
    times[kind].push(performance.now() - from);
    expect(reply).toStartWith("535 5.7.8 ");
  }
  client.end();
}

test.each(["dovecot", "cyrus"] as const)(
  "smtpd_sasl_type = %s: failures of users who are there and who are not take the same time",
  async (type) => {
    const times: Times = { known: [], unknown: [] };
    const sessions = SESSIONS[type];
    const { port } = servers[type]!;
    await Promise.all(Array.from({ length: sessions }, () => fail(port, 2 * TRIES / sessions, times)));
    const [there, nobody] = [median(times.known), median(times.unknown)];
    console.log(
      `# ${type}: known ${there.toFixed(3)} ms, unknown ${
        nobody.toFixed(3)
      } ms (medians of ${TRIES}, in turn)`,
    );
    expect(nobody / there).toBeWithin(0.6, 1.6);
  },
  180_000,
);
