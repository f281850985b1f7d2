// Milters of the compiled binary for mail that does not come by SMTP (non_smtpd_milters), and one that listens at an IPv6 address.
import { expect } from "bun:test";
import { drop, messagesIn, ONE_BOX } from "../../kit/drops.ts";
import { withPeers } from "../../kit/peers.ts";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { type ScriptedMilter, startScriptedMilter } from "../../kit/servers/scripted_milter.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

let local: ScriptedMilter;
let far: ScriptedMilter;
let server: Server;

beforeAll(async () => {
  [local, far] = [await startScriptedMilter(), await startScriptedMilter("::1")];
  server = await startServer({
    mainCf: [...ONE_BOX, `non_smtpd_milters = ${local.name}`, `smtpd_milters = ${far.name}`],
  });
});

afterAll(async () => {
  await server?.stop();
  await local?.close();
  await far?.close();
});

const mark = (value: string) => ({
  withoutMacros: true,
  on: { bodyEnd: [{ is: "addHeader", name: "X-Milter", value }, { is: "continue" }] },
} as const);

async function mailWith(text: string): Promise<string> {
  const found = () => messagesIn(server.directory).find((message) => message.includes(text));
  await until(() => `${text} in the mailbox: ${server.log().slice(-2000)}`, () => found() !== undefined);
  return found()!;
}

test("mail of sendmail and what is dropped go through non_smtpd_milters, and through no others", async () => {
  far.play(mark("far"));
  local.play(mark("sendmail"));
  const sent = await runMta([
    "-c",
    server.configDirectory,
    "sendmail",
    "-f",
    "ann@example.com",
    "box@example.com",
  ], {
    input: "Subject: by sendmail\n\nfirst text\n",
  });
  expect(sent).toMatchObject({ code: 0, stderr: "" });
  expect(await mailWith("by sendmail")).toContain("X-Milter: sendmail\n");
  expect(local.heard.filter((line) => /^(?:connect|mail|rcpt|body )/.test(line))).toEqual([
    "connect localhost 4 0 127.0.0.1",
    "mail ann@example.com",
    "rcpt box@example.com",
    'body 12 "first text\\r\\n"',
  ]);
  local.play(mark("pickup"));
  drop(server.queueDirectory, { sender: "", content: "Subject: dropped\n\nsecond text\n" });
  expect(await mailWith("Subject: dropped")).toContain("X-Milter: pickup\n");
  expect(far.heard).toEqual([]);
});

test("a milter refuses mail of sendmail: it goes back to who sent it", async () => {
  local.play({ withoutMacros: true, on: { bodyEnd: [{ is: "reject" }] } });
  drop(server.queueDirectory, { sender: "ann@example.com", content: "Subject: unwanted\n\nthird text\n" });
  expect(await mailWith("Undelivered Mail")).toContain("Subject: unwanted");
});

test("a milter at an IPv6 address sees mail that comes by SMTP", async () => {
  far.play(mark("far"));
  local.play({});
  const client = await talk(server.port);
  for (const line of ["EHLO c.example", "MAIL FROM:<a@x.example>", "RCPT TO:<box@example.com>", "DATA"]) {
    await client.say(line);
  }
  expect(await client.say("Subject: by SMTP\r\n\r\nfourth text\r\n.")).toStartWith("250 ");
  client.end();
  expect(await mailWith("by SMTP")).toContain("X-Milter: far\n");
  expect(far.heard).toContain("helo c.example");
  expect(local.heard).toEqual([]);
});
