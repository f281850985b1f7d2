// SCRAM and CRAM-MD5 with others at the other end: Dovecot is the server of our client, Cyrus (in Postfix) the client of our server.
import { expect } from "bun:test";
import { storedForm } from "../../../src/sasl/password/make_password.ts";
import { createOpenTables } from "../../../src/rewrite/open_tables.ts";
import { outcomeLines, testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { type Dovecot, startDovecot } from "../../kit/servers/dovecot.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "dovecot",
  "postfix",
  "libsasl2-modules",
  "root",
);

const SECRET = "Grüße, 1 Welt";
const SUBMISSION_PORT = 24_881;
const MECHANISMS = ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"];
const DESTINATION = "elsewhere.example";

let dovecot: Dovecot;
let behindDovecot: Server;
let internal: Server;
let postfix: PostfixInstance;

const COMMON = [
  "smtpd_sasl_auth_enable = yes",
  "mynetworks = 192.0.2.1",
  "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
  "default_transport = discard",
];

beforeAll(async () => {
  dovecot = await startDovecot({ users: [`eve:{PLAIN}${SECRET}::::::`] });
  behindDovecot = await startServer({
    mainCf: [...COMMON, "smtpd_sasl_type = dovecot", `smtpd_sasl_path = inet:127.0.0.1:${dovecot.port}`],
  });
  const stored = `${await storedForm(SECRET, "SCRAM-SHA-256")} {PLAIN}${SECRET}`;
  internal = await startServer({
    files: { users: `eve ${stored}\n` },
    mainCf: [...COMMON, "smtpd_sasl_type = internal", `sasl_mechanisms = ${MECHANISMS.join(" ")}`],
  });
  postfix = await startPostfix({
    main: {
      transport_maps: "texthash:$config_directory/transport",
      smtp_sasl_auth_enable: "yes",
      smtp_sasl_password_maps: "texthash:$config_directory/passwords",
      smtp_sasl_security_options: "noanonymous",
      notify_classes: "",
    },
    master: `127.0.0.1:${SUBMISSION_PORT} inet n - n - - smtpd\n` +
      MECHANISMS.map((name, at) => `way${at} unix - - n - - smtp -o smtp_sasl_mechanism_filter=${name}\n`)
        .join(""),
    files: {
      transport: MECHANISMS.map((_, at) => `w${at}.example way${at}:[127.0.0.1]:${internal.port}\n`).join(""),
      passwords: `[127.0.0.1]:${internal.port} eve:${SECRET}\n`,
    },
  });
}, 60_000);
afterAll(async () => {
  await postfix?.stop();
  await internal?.stop();
  await behindDovecot?.stop();
  await dovecot?.stop();
});

test.each(MECHANISMS)("our client logs in at Dovecot with %s", async (mechanism) => {
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const rewriting = {
    openTables,
    find: () => ({ answer: { is: "absent" }, key: "", extension: "" } as const),
  };
  const send = async (secret: string) => {
    const { agent, deliver } = testAgent({
      smtp_sasl_auth_enable: true,
      smtp_sasl_password_maps: `inline:{ { 127.0.0.1 = eve:${secret} } }`,
      smtp_sasl_mechanism_filter: mechanism,
      smtp_sasl_security_options: "noanonymous",
    }, { rewriting });
    const report = await deliver({
      nexthop: `[127.0.0.1]:${behindDovecot.port}`,
      to: [`bob@${DESTINATION}`],
    });
    await agent.close();
    return outcomeLines(report)[0]!;
  };
  expect(await send(SECRET)).toStartWith("sent 2.0.0");
  await behindDovecot.logged(new RegExp(`sasl_method=${mechanism}, sasl_username=eve`));
  expect(await send("wrong")).toContain("535 5.7.8 Error: authentication failed");
});

test.each(MECHANISMS.map((name, at) => [name, at] as const))(
  "Postfix's client logs in here with %s",
  async (mechanism, at) => {
    const submitter = testAgent();
    const to = `bob@w${at}.example`;
    await submitter.deliver({ nexthop: `[127.0.0.1]:${SUBMISSION_PORT}`, to: [to] });
    await submitter.agent.close();
    expect(await postfix.waitForLog(new RegExp(`to=<${to}>.*status=\\w+`))).toMatch(
      new RegExp(`to=<${to}>.*status=sent`),
    );
    await internal.logged(new RegExp(`sasl_method=${mechanism}, sasl_username=eve`));
  },
);
