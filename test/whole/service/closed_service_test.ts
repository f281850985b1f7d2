// What stops one daemon of Postfix stops that service here: its port turns clients away, its mail waits, the rest serves.
import { expect, setDefaultTimeout } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { banner, freePort, runMta, type Server, type ServerOptions, startServer } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";
import { talk } from "../../kit/talk.ts";

setDefaultTimeout(180_000);
const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");

const running: Server[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

async function server(options: ServerOptions): Promise<Server> {
  const started = await startServer(options);
  running.push(started);
  return started;
}

const CLOSED = "421 4.3.5 mail.example.com Server configuration error";
const DOMAIN = ["mydestination = example.com", "local_recipient_maps ="];

/** Sends a message; answers the reply to its end. */
async function send(port: number, recipient = "user@example.com"): Promise<string> {
  const dialogue = await talk(port);
  for (const line of ["HELO a.example", "MAIL FROM:<a@a.example>", `RCPT TO:<${recipient}>`, "DATA"]) {
    await dialogue.say(line);
  }
  const reply = await dialogue.say("Subject: s\r\n\r\nx\r\n.");
  dialogue.end();
  return reply;
}

whole.each([
  "mailbox_size_limit = 1000",
  "message_size_limit = 0",
  "home_mailbox = \${",
  "local_delivery_status_filter = \${",
])(
  "%s closes local(8): mail for it is taken and waits, other mail goes on",
  async (line) => {
    const each = await server({
      mainCf: [...DOMAIN, line, "transport_maps = inline:{other.example=discard:}"],
    });
    expect(await send(each.port)).toStartWith("250 2.0.0 Ok");
    await each.logged(
      /to=<user@example\.com>, relay=none, .*dsn=4\.3\.0, status=deferred \(unknown mail transport error: /,
    );
    expect(await send(each.port, "x@other.example")).toStartWith("250 2.0.0 Ok");
    await each.logged(/to=<x@other\.example>, relay=none, .*status=sent/);
    expect(each.log()).toMatch(/postfix\/master\[\d+\]: error: .*local\/unix lets its mail wait/);
  },
);

whole("a port without relay protection answers 421, the others serve", async () => {
  const port = await freePort();
  const each = await server({
    mainCf: DOMAIN,
    masterCf: [
      `127.0.0.1:${port} inet n - n - - smtpd -o smtpd_relay_restrictions= -o smtpd_recipient_restrictions=`,
    ],
  });
  expect(await banner(port)).toBe(CLOSED);
  expect(await banner(each.port)).toStartWith("220 ");
  await each.logged(
    /postfix\/smtpd\[\d+\]: fatal: in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify/,
  );
  const session = ["--client", "192.0.2.7", "--from", "a@a.example", "--to", "b@example.com"];
  const explained = await each.mta("explain", "--service", `127.0.0.1:${port}`, ...session);
  expect(explained.code).not.toBe(0);
  expect(explained.stderr).toContain("answers every client with 421: in parameter smtpd_relay_restrictions");
  const check = await each.mta("check");
  expect(check.code).toBe(1);
  expect(check.stderr).toMatch(
    /^postfix: fatal: in parameter smtpd_relay_restrictions .*turns its clients away with 421/m,
  );
});

whole("so do a wrong value of its own, an unknown program, and one whose cleanup is closed", async () => {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const each = await server({
    masterCf: [
      `127.0.0.1:${ports[0]} inet n - n - - smtpd -o smtpd_hard_error_limit=foo`,
      `127.0.0.1:${ports[1]} inet n - n - - nosuchd`,
      `127.0.0.1:${ports[2]} inet n - n - - smtpd -o cleanup_service_name=pre`,
      "pre unix n - n - 0 cleanup -o canonical_classes=",
    ],
  });
  expect(await Promise.all(ports.map((port) => banner(port)))).toEqual([CLOSED, CLOSED, CLOSED]);
  expect(await banner(each.port)).toStartWith("220 ");
});

whole("mail for a transport of an unknown program, or a pipe(8) that cannot be used, waits", async () => {
  const each = await server({
    mainCf: [
      "relay_domains = one.example, two.example",
      "transport_maps = inline:{one.example=mine: two.example=broken:}",
    ],
    masterCf: ["mine unix - - n - - nosuch", "broken unix - n n - - pipe flags=F argv=/bin/cat"],
  });
  await send(each.port, "a@one.example");
  await send(each.port, "b@two.example");
  await each.logged(
    /to=<a@one\.example>.*status=deferred \(unknown mail transport error: .*unknown program: nosuch\)/,
  );
  await each.logged(/to=<b@two\.example>.*status=deferred \(unknown mail transport error: .*missing user=/);
  const { code, stderr } = await each.mta("check");
  expect(code).toBe(0);
  expect(stderr).toMatch(/fatal: .*unknown program: nosuch/);
  expect(stderr).toMatch(/fatal: .*missing user= .*broken\/unix lets its mail wait/);
  expect((await each.mta("check", "--strict")).code).toBe(2);
});

whole("a value that only qmgr(8) reads lets all mail wait, and takes it", async () => {
  const each = await server({
    mainCf: [...DOMAIN, "maximal_backoff_time = x", "mailbox_command = /bin/true"],
  });
  expect(await send(each.port)).toStartWith("250 2.0.0 Ok");
  expect(each.log()).toMatch(/error: .*maximal_backoff_time.*qmgr\/unix delivers nothing: mail waits/);
  expect(each.log()).not.toMatch(/status=/);
});

whole("a reload that would shut a port is refused, and what served goes on serving", async () => {
  const each = await server({ mainCf: ["smtpd_relay_restrictions = reject_unauth_destination"] });
  each.writeMainCf(["smtpd_relay_restrictions =", "smtpd_recipient_restrictions ="]);
  const { code, stderr } = await each.mta("reload");
  expect(code).not.toBe(0);
  expect(stderr).toContain("would be closed: in parameter smtpd_relay_restrictions");
  expect(await banner(each.port)).toStartWith("220 ");
  each.writeMainCf(["mailbox_size_limit = 1"]);
  expect((await each.mta("reload")).code).toBe(0);
});

whole("check goes on after a fatal finding", async () => {
  const { configDirectory, stop } = await startServer({});
  const lines = [
    "soft_bounce = x",
    "mailbox_size_limit = 1",
    "Mynetworks = 1.2.3.4",
    "biff = no",
    "postscreen_tls_loglevel_maps = static:1",
  ];
  writeFileSync(join(configDirectory, "access"), "* REJECT\n");
  lines.push(
    "smtpd_reject_filter_maps = static:x",
    "smtpd_client_restrictions = check_client_access hash:$config_directory/access",
  );
  writeFileSync(join(configDirectory, "main.cf"), ["compatibility_level = 3.6", ...lines, ""].join("\n"));
  const check = (...args: string[]) => runMta(["-c", configDirectory, "check", ...args]);
  const { code, stderr } = await check();
  expect(code).toBe(1);
  const said = stderr.trimEnd().split("\n");
  const at = (pattern: RegExp) => said.findIndex((line) => pattern.test(line));
  const order = [
    /^postfix: fatal: bad boolean configuration: soft_bounce = x/,
    /^postfix: fatal: configuration error: mailbox_size_limit is smaller than message_size_limit/,
    /^postfix: warning: weaker: .*smtpd_reject_filter_maps is not honoured: our own refusals are not changed by tables yet/,
    /^postfix: warning: .*unused parameter: Mynetworks=.*did you mean mynetworks/,
    /^postfix: warning: .*key "\*" never matches/,
    /^postfix: info: does not start: 1 refused, 1 closed, 1 weaker, /,
  ].map(at);
  expect(order).not.toContain(-1);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(stderr).not.toMatch(/biff|postscreen_tls_loglevel_maps/);
  expect((await check("-v")).stderr).toMatch(/info: no effect: .*parameter biff has no effect/);
  const json = JSON.parse((await check("--json")).stdout);
  expect(json).toMatchObject({ ok: false, lossy: true });
  expect(json.findings).toContainEqual(expect.objectContaining({
    severity: "weaker",
    parameter: "smtpd_reject_filter_maps",
    file: join(configDirectory, "main.cf"),
    line: 7,
    consequence: "our own refusals are not changed by tables yet: they leave as they are",
  }));
  await stop({ keep: true });
  rmSync(join(configDirectory, ".."), { recursive: true });
});
