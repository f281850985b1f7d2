// The founding scenario, served by the compiled binary: the tutorial's files, `mta postmap`, its session, the mailbox.
import { expect } from "bun:test";
import { join } from "node:path";
import { playScenario, SCENARIO_FILES, SCENARIO_MAIN_CF, typed } from "../../kit/scenes/scenario.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { mailbox } from "../../kit/mailbox.ts";
import { withPeers } from "../../kit/peers.ts";

const { test } = withPeers(import.meta.path, "dist/mta");

async function scenarioServer(): Promise<Server> {
  const server = await startServer({
    mainCf: [
      ...Object.entries(SCENARIO_MAIN_CF).map(([name, value]) => `${name} = ${value}`),
      "alias_maps = inline:{ webmaster=$mail_spool_directory/webmaster }",
      "smtpd_authorized_xclient_hosts = 127.0.0.1",
      "default_privs = daemon",
    ],
    files: SCENARIO_FILES,
  });
  for (const name of Object.keys(SCENARIO_FILES)) {
    const made = await server.mta("postmap", `hash:${join(server.configDirectory, name)}`);
    expect(made.code).toBe(0);
    // `* REJECT` does not lock the world out, and the operator is told so with the line.
    expect(made.stderr).toMatch(/_access, line 2: .*\*/);
  }
  return server;
}

test(
  "the tutorial's session gets the tutorial's replies, and the message lies in the mailbox",
  async () => {
    const server = await scenarioServer();
    try {
      expect(await playScenario(server.port, "220 mail.example.com ESMTP mta")).toEqual([]);
      expect(await mailbox(join(server.directory, "mail/webmaster"))).toMatch(
        /^From test@gmail\.com {2}[^]*\nhello!!!!!!\n\n$/,
      );
      await server.logged(
        /NOQUEUE: reject: RCPT from client\.example\.org\[192\.0\.2\.7\]: 554 5\.7\.1 <haha@example\.com>: /,
      );
    } finally {
      await server.stop();
    }
  },
);

test("the tutorial's own networks are not restricted", async () => {
  const server = await scenarioServer();
  try {
    const replies = await typed(server.port, [
      "helo localhost",
      "mail from:a@example.com",
      "rcpt to:b@elsewhere.example",
      "quit",
    ]);
    expect(replies.slice(2)).toEqual(["250 2.1.0 Ok", "250 2.1.5 Ok", "221 2.0.0 Bye"]);
  } finally {
    await server.stop();
  }
});

test("mta check names the keys that never match and what to write instead", async () => {
  const server = await scenarioServer();
  try {
    const { stderr } = await server.mta("check");
    expect(stderr).toMatch(/sender_access.*line 2.*"\*"/);
    expect(stderr).toMatch(/recipient_access.*line 2.*"\*@smalltreemedia\.com"/);
  } finally {
    await server.stop();
  }
});
