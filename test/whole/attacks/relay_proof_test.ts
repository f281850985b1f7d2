// No open relay, through the compiled binary: the check, the start and the reload.
import { expect, setDefaultTimeout } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { banner, freePort, type Server, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");

setDefaultTimeout(180_000);
const running: Server[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

const CLOSED = ["mydestination = example.com", "mynetworks = 10.0.0.0/8", "smtpd_relay_restrictions ="];
const list = (restrictions: string) => `smtpd_recipient_restrictions = ${restrictions}`;
const GUARDED = list("permit_mynetworks, reject_unauth_destination");
const OPEN = list(
  "permit_mynetworks, check_sender_access hash:$config_directory/senders, reject_unauth_destination",
);

async function server(mainCf: readonly string[], senders = "partner.example OK\n") {
  const open = await freePort();
  const started = await startServer({
    mainCf: [...CLOSED, ...mainCf],
    masterCf: [`0.0.0.0:${open} inet n - n - - smtpd`],
    files: { senders: `# friends\n${senders}` },
  });
  running.push(started);
  return { ...started, open };
}

/** What the witness of these tests says. */
async function relays(port: number): Promise<string> {
  const dialogue = await talk(port);
  await dialogue.say("EHLO mail.stranger.example");
  await dialogue.say("MAIL FROM:<someone@partner.example>");
  const reply = await dialogue.say("RCPT TO:<victim@elsewhere.example>");
  dialogue.end();
  return reply;
}

whole("a reload that would open the relay is refused, and the running configuration stays", async () => {
  const { open, writeMainCf, mta, log, logged } = await server([GUARDED]);
  expect(await relays(open)).toContain("554 5.7.1");
  writeMainCf([...CLOSED, OPEN]);
  const check = await mta("check");
  expect(check.code).toBe(1);
  expect(check.stderr).toContain("open relay: a stranger reaches any recipient:");
  expect(check.stderr).toContain("  MAIL FROM:<someone@partner.example>\n");
  expect(check.stderr).toContain("senders: line 2: partner.example OK\n");
  const reload = await mta("reload");
  expect(reload.code).not.toBe(0);
  await logged(/error:.*open relay/);
  expect(log()).toMatch(/error: {3}RCPT TO:<victim@elsewhere\.example> {2}is accepted/);
  expect(await relays(open)).toContain("554 5.7.1");
  writeMainCf([...CLOSED, list("permit_mynetworks, reject_unauth_destination, reject_non_fqdn_sender")]);
  expect((await mta("reload")).code).toBe(0);
});

const TURNED_AWAY = "421 4.3.5 mail.example.com Server configuration error";

whole(
  "an open relay does not serve: its port turns everybody away and says how it would be used",
  async () => {
    const { open, port, log, mta, logged } = await server([OPEN]);
    expect(await banner(open)).toBe(TURNED_AWAY);
    expect(await banner(port)).toStartWith("220 "); // on loopback, where no stranger comes
    expect(log()).toMatch(/postfix\/master\[\d+\]: error: service 0\.0\.0\.0:\d+\/inet .*: open relay/);
    expect(log()).toMatch(
      /error: {3}to close it: put reject_unauth_destination before "check_sender_access /,
    );
    await logged(/postfix\/smtpd\[\d+\]: fatal: service 0\.0\.0\.0:\d+\/inet .*: open relay/);
    expect((await mta("check")).code).toBe(1);
  },
);

whole("nor does one that no restriction guards, on any of its ports", async () => {
  const open = await freePort();
  const unguarded = "-o smtpd_recipient_restrictions=permit_mynetworks -o smtpd_relay_restrictions=";
  const each = await startServer({
    mainCf: CLOSED.slice(0, 2),
    masterCf: [`0.0.0.0:${open} inet n - n - - smtpd ${unguarded}`],
  });
  running.push(each);
  expect(await banner(open)).toBe(TURNED_AWAY);
  expect(each.log()).toContain("specify at least one working instance of: reject_unauth_destination");
  expect(each.log()).toMatch(/error: {3}by smtpd_recipient_restrictions: no restriction in it refuses him/);
});

whole("allow_open_relay = yes serves it, loudly; the witness really relays", async () => {
  const { open, port, log, configDirectory, mta } = await server([OPEN, "allow_open_relay = yes"]);
  expect(log()).toMatch(/warning: service .*: open relay: a stranger reaches any recipient/);
  expect(log()).toMatch(/warning: {3}allow_open_relay = yes serves it all the same/);
  expect(await relays(open)).toBe("250 2.1.5 Ok");
  expect(await banner(port)).toStartWith("220 ");
  writeFileSync(join(configDirectory, "senders"), "partner.example DUNNO\n192.0.2.5 OK\n");
  const check = await mta("check", "-v");
  expect(check.code).toBe(0);
  expect(check.stderr).not.toContain("open relay");
});

whole("what nobody can know beforehand is said, and served", async () => {
  const unknown = list("permit_mynetworks, check_policy_service inet:127.0.0.1:9, reject_unauth_destination");
  const { log } = await server([unknown]);
  expect(log()).toMatch(
    /warning: service .*: cannot tell beforehand whether strangers relay by: .*the policy server inet:127\.0\.0\.1:9 may permit/,
  );
});

whole("a closed configuration is served without a word", async () => {
  const { log, mta } = await server([GUARDED]);
  expect(log()).not.toMatch(/relay|stranger/);
  const check = await mta("check");
  expect(check.code).toBe(0);
  expect(check.stderr).not.toMatch(/relay|stranger/);
});
