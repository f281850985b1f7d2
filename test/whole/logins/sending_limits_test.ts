// Users with limits in the compiled program: what is too much is held, not lost, the postmaster hears of it, and it goes when released.
import { expect } from "bun:test";
import { askService } from "../../../src/master/control/control_client.ts";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

let server: Server;

const MAIN = [
  "worker_processes = 2",
  "smtpd_sasl_auth_enable = yes",
  "smtpd_sasl_type = internal",
  "mynetworks = 192.0.2.1",
  "smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination",
  "mydestination = example.com",
  "local_recipient_maps =",
  "local_transport = discard",
  "default_transport = discard",
  "user_hourly_message_limit = 2",
  "user_daily_new_recipient_limit = 3",
  "header_checks = pcre:{{/^Subject: hold this/ HOLD}}",
];

beforeAll(async () => {
  server = await startServer({ mainCf: MAIN });
  for (const name of ["ann@example.com", "bob@example.com", "eve@example.com"]) {
    const args = ["-c", server.configDirectory, "user", "add", name];
    expect(await runMta(args, { input: "her secret\n" })).toMatchObject({ code: 0, stderr: "" });
  }
  await until("the users that were made log in", async () => await logIn("bob@example.com") !== undefined);
}, 120_000);
afterAll(() => server?.stop());

async function logIn(user: string) {
  const smtp = await talk(server.port);
  await smtp.say("EHLO client.example");
  const reply = await smtp.say(`AUTH PLAIN ${Buffer.from(`\0${user}\0her secret`).toString("base64")}`);
  if (reply.startsWith("235 ")) return smtp;
  smtp.end();
  return undefined;
}

/** Sends a message; answers its queue id: it is taken whatever becomes of it. */
async function send(user: string, ...recipients: readonly string[]): Promise<string> {
  const smtp = (await logIn(user))!;
  await smtp.say(`MAIL FROM:<${user}>`);
  for (const to of recipients) expect(await smtp.say(`RCPT TO:<${to}>`)).toBe("250 2.1.5 Ok");
  await smtp.say("DATA");
  const reply = await smtp.say("Subject: x\r\n\r\nx\r\n.");
  smtp.end();
  return /^250 2\.0\.0 Ok: queued as (\S+)$/.exec(reply)![1]!;
}

test("over a limit mail is held, the postmaster is told once, and it goes when it is released", async () => {
  for (const to of ["a@elsewhere.example", "a@elsewhere.example"]) {
    const id = await send("ann@example.com", to);
    await server.logged(new RegExp(`${id}: to=<${to}>.*status=sent`));
  }
  const first = await send("ann@example.com", "a@elsewhere.example");
  const second = await send("Ann@Example.com", "b@elsewhere.example");
  await server.logged(
    new RegExp(
      `${first}: hold: END-OF-MESSAGE from \\S+: <ann@example\\.com>: Sending limit exceeded: ` +
        '3, user_hourly_message_limit is 2 \\("mta user release" lets it go\\); from=<ann@example\\.com>',
    ),
  );
  // Others are not concerned.
  const other = await send("bob@example.com", "a@elsewhere.example");
  await server.logged(new RegExp(`${other}: to=<a@elsewhere.example>.*status=sent`));
  expect(server.log().match(/: hold: END-OF-MESSAGE from /g)).toHaveLength(2);
  await server.logged(/to=<postmaster@mail\.example\.com>, orig_to=<postmaster>.*status=sent/);
  expect(server.log().match(/orig_to=<postmaster>/g)).toHaveLength(1);
  for (const id of [first, second]) expect(server.log()).not.toMatch(new RegExp(`${id}: removed`));
  expect(await server.mta("user", "release", "bob@example.com")).toEqual({
    code: 0,
    stdout: "0 released\n",
    stderr: "",
  });
  expect(await server.mta("user", "release", "ann@example.com", "--json")).toMatchObject({ code: 0 });
  for (const id of [first, second]) await server.logged(new RegExp(`${id}: removed`));
  const next = await send("ann@example.com", "a@elsewhere.example");
  await server.logged(new RegExp(`${next}: removed`));
}, 120_000);

test(
  "what is held for a limit outlives a restart, and what is held for another reason is not let go with it",
  async () => {
    const mail = async (subject: string) => {
      const smtp = (await logIn("eve@example.com"))!;
      await smtp.say("MAIL FROM:<eve@example.com>");
      await smtp.say("RCPT TO:<a@elsewhere.example>");
      await smtp.say("DATA");
      const reply = await smtp.say(`Subject: ${subject}\r\n\r\nx\r\n.`);
      smtp.end();
      return /queued as (\S+)$/.exec(reply)![1]!;
    };
    for (let at = 0; at < 2; at++) await server.logged(new RegExp(`${await mail("x")}: removed`));
    const [over, wanted, released] = [await mail("x"), await mail("x"), await mail("x")];
    const byCheck = await mail("hold this");
    // An operator wants one of them to stay, and holds another one again that he had let go.
    expect((await server.mta("postsuper", "-h", wanted)).stderr).toBe(
      "postsuper: Placed on hold: 0 messages\n",
    );
    server.writeMainCf([...MAIN, "defer_transports = discard"]);
    expect((await server.mta("reload")).code).toBe(0);
    expect((await server.mta("postsuper", "-H", released)).stderr).toContain(
      `${released}: released from hold`,
    );
    await server.logged(new RegExp(`${released}: to=.*status=deferred`));
    expect((await server.mta("postsuper", "-h", released)).stderr).toContain(`${released}: placed on hold`);
    const { directory } = server;
    expect(await server.stop({ keep: true })).toBe(0);
    server = await startServer({ directory, mainCf: MAIN });
    const held = async () => {
      const ids: string[] = [];
      const row = ({ id, queue }: { id: string; queue: string }) => void (queue === "hold" && ids.push(id));
      const { queueDirectory } = server;
      expect((await askService({ queueDirectory, verb: "list", args: {}, row })).is).toBe("done");
      return ids.filter((id) => [over, wanted, released, byCheck].includes(id)).sort();
    };
    // Right after the start: what is in shards that no worker has taken over yet is let go, too.
    expect(await server.mta("user", "release", "eve@example.com")).toMatchObject({
      code: 0,
      stdout: "1 released\n",
    });
    await server.logged(new RegExp(`${over}: removed`));
    expect(await held()).toEqual([wanted, released, byCheck].sort());
  },
  120_000,
);

test("recipients to whom a user has not written before have a limit of their own", async () => {
  const id = await send(
    "bob@example.com",
    ...["p", "q", "r", "s"].map((name) => `${name}@elsewhere.example`),
  );
  await server.logged(
    new RegExp(`${id}: hold: .*Sending limit exceeded: 4, user_daily_new_recipient_limit is 3`),
  );
}, 60_000);
