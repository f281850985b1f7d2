// Header checks that people copy, with Postfix's name in them: what strikes in the real Postfix strikes here with the same
// mail_name, and where it does not because of the name, the start and `mta check` say so.
import { expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { sendMessage } from "../../kit/talk.ts";

const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "root",
  "postfix",
  "postfix-pcre",
);
setDefaultTimeout(180_000);

const RULES = "# hide where mail comes from\n/^Received: .*by .* \\(Postfix\\) with E?SMTP/ WARN hidden\n";
const STRUCK =
  /warning: header Received: from client\.example .*by mail\.example\.com \(Postfix\) with ESMTP id \w+\?+for <bob@example\.com>.*: hidden/;
const SAID =
  /warning: header_checks: line 2 of pcre:\S+\/rules matches a Received: field with "\(Postfix\)", as Postfix writes it, but not with "\(mta\)".*set mail_name = Postfix, or write \(Postfix\|mta\)/;

const MAIN = { mydestination: "example.com", local_recipient_maps: "", local_transport: "discard:" };
const lines = [...Object.entries(MAIN).map(([name, value]) => `${name} = ${value}`)];

let real: PostfixInstance | undefined;
let [realPort, servers]: [number, Server[]] = [0, []];
beforeAll(async () => {
  realPort = await freePort();
  real = await startPostfix({
    main: { ...MAIN, header_checks: "pcre:$config_directory/rules" },
    master: `127.0.0.1:${realPort} inet n - n - - smtpd`,
    files: { rules: RULES },
  });
});
afterAll(async () => {
  await real?.stop();
  for (const server of servers.splice(0)) await server.stop();
});

async function ours(more: readonly string[]): Promise<Server> {
  const mainCf = [...lines, "header_checks = pcre:$config_directory/rules", ...more];
  const server = await startServer({ mainCf, files: { rules: RULES } });
  servers.push(server);
  expect(await sendMessage(server.port, { from: "a@example.org", to: "bob@example.com" })).toStartWith("250");
  await server.logged(/\/qmgr\[\d+\]: \w+: removed/);
  return server;
}

test("a rule for (Postfix) strikes in the real one, and here with its name", async () => {
  await sendMessage(realPort, { from: "a@example.org", to: "bob@example.com" });
  await real!.waitForLog(STRUCK);
  const { log, mta } = await ours(["mail_name = Postfix"]);
  expect(log()).toMatch(STRUCK);
  expect(log()).not.toMatch(SAID);
  expect((await mta("check")).stderr).not.toMatch(SAID);
});

test("with the name of here it does not strike, and start, reload and check say so, with file, line and both ways out", async () => {
  const server = await ours([]);
  expect(server.log()).not.toContain(": hidden");
  expect(server.log()).toMatch(SAID);
  expect((await server.mta("check")).stderr).toMatch(SAID);
  const before = server.log().length;
  expect((await server.mta("reload")).code).toBe(0);
  expect(server.log().slice(before)).toMatch(SAID);
  expect(server.log()).toContain(join(server.configDirectory, "rules"));
});
