// Mail that is sent on with SRS: the compiled binary forwards to a host, and what comes back finds the sender.
import { expect } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { internalAddress, splitAddress } from "../../../src/address/address.ts";
import { srsForward, srsReverse } from "../../../src/mailauth/srs/srs_address.ts";
import type { SrsRules } from "../../../src/mailauth/srs/srs_rules.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type ReceivedMail, type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until, untilFound } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

const SECRET = "a secret that nobody guesses";
const DAY = 86_400_000;
const rules: SrsRules = {
  domain: "srs.example.com",
  secrets: [Buffer.from(SECRET)],
  separator: "=",
  hashLength: 4,
  hashMinimum: 4,
  maximumAge: 21,
};

/** Everything beyond this server. */
let world: SmtpPeer;
let server: Server;

const start = async (more: readonly string[] = []) =>
  await startServer({
    files: {
      aliases: [
        "away bob",
        "both bob@far.example, carl@own.example",
        "list bob",
        "owner-list ann",
        "ann ann@own.example",
      ]
        .join("\n").replace(/ bob$/gm, " bob@far.example"),
      secret: `${SECRET}\n`,
    },
    mainCf: [
      "mydestination = example.com",
      "virtual_alias_domains = alias.example",
      "virtual_alias_maps = inline:{bob@alias.example=bob@far.example, gone@alias.example=nobody@far.example}",
      "relay_domains = own.example",
      "alias_maps = texthash:$config_directory/aliases",
      "local_recipient_maps = $alias_maps static:{yes}",
      `transport_maps = inline:{far.example=smtp:[127.0.0.1]:${world.port}, own.example=smtp:[127.0.0.1]:${world.port}, strange.example=smtp:[127.0.0.1]:${world.port}, .strange.example=smtp:[127.0.0.1]:${world.port}, third.example=smtp:[127.0.0.1]:${world.port}}`,
      "srs_domain = srs.example.com",
      "srs_secret = file:$config_directory/secret",
      "smtpd_peername_lookup = no",
      "smtpd_error_sleep_time = 0",
      "smtpd_hard_error_limit = 10000",
      // A client that is trusted with nothing.
      "mynetworks = 192.0.2.0/24",
      ...more,
    ],
  });

beforeAll(async () => {
  world = await startSmtpPeer({
    ehlo: ["PIPELINING", "SIZE 10240000", "8BITMIME", "SMTPUTF8"],
    rcpt: (line) => line.includes("nobody") ? "550 5.1.1 unknown" : "250 2.1.5 Ok",
  });
  server = await start();
});
afterAll(async () => {
  await server?.stop();
  await world?.close();
});

interface Sending {
  readonly from: string;
  readonly to: readonly string[];
  readonly parameters?: string;
  readonly at?: Server;
}

/** Sends a message, and resolves with the reply to its last command, or with 421 where that ends the session before. */
async function send({ from, to, parameters = "", at = server }: Sending): Promise<string> {
  const client = await talk(at.port);
  let last = client.greeting;
  const say = async (line: string) => {
    if (!last.startsWith("421")) last = await client.say(line);
  };
  await say("EHLO client.example");
  await say(`MAIL FROM:<${Buffer.from(from).toString("latin1")}>${parameters}`);
  for (const each of to) await say(`RCPT TO:<${Buffer.from(each).toString("latin1")}>`);
  if (last.startsWith("2")) {
    await say("DATA");
    await say("Subject: x\r\n\r\nx\r\n.");
  }
  client.end();
  return last;
}

/** The next mail that the world has got; it is taken out. Content for nobody does not count. */
async function next(what: string): Promise<ReceivedMail> {
  const at = () => world.mails.findIndex(({ to }) => to.length > 0);
  await until(() => `${what}; the log ends:\n${server.log().slice(-2000)}`, () => at() >= 0);
  return world.mails.splice(at(), 1)[0]!;
}

/** The sender that an address of ours leads to. */
function leadsTo(address: string): string {
  const { local, domain } = splitAddress(
    address.replace(/^"(.*)"@/, (_, text) => `${text.replace(/\\(.)/g, "$1")}@`),
  );
  expect(domain).toBe(rules.domain);
  const back = srsReverse(local, rules, Date.now());
  return back.is === "address" ? back.address : back.is;
}

for (
  const [what, to] of [["an alias", "away@example.com"], ["a virtual alias", "bob@alias.example"]] as const
) {
  test(`${what} to another host: the sender is one of ours, and what is answered finds the true one`, async () => {
    await send({ from: "eve@strange.example", to: [to] });
    const mail = await next("the forwarded mail");
    expect([mail.from.slice(0, 5), mail.to]).toEqual(["SRS0=", ["bob@far.example"]]);
    expect(leadsTo(mail.from)).toBe("eve@strange.example");
    await server.logged(/smtp\[\d+\]: \w+: forwarded, from=<eve@strange.example> goes out as <SRS0=/);
    expect(await send({ from: "", to: [mail.from.toLowerCase()] })).toStartWith("250 2.0.0 Ok: queued as");
    const answer = await next("the bounce");
    expect([answer.from, answer.to]).toEqual(["", ["eve@strange.example"]]);
    await server.logged(/to=<eve@strange.example>, orig_to=<srs0=.*status=sent/);
  });
}

test("the second forwarding host names the first: SRS1, which leads back there", async () => {
  const first = srsForward(
    internalAddress("eve@strange.example"),
    { ...rules, domain: "third.example" },
    Date.now(),
  )!;
  await send({ from: first, to: ["away@example.com"] });
  const mail = await next("the forwarded mail");
  expect(mail.from).toMatch(/^SRS1=[^=]{4}=third.example==[^=]{4}=..=strange.example=eve@srs.example.com$/);
  expect(await send({ from: "", to: [mail.from] })).toStartWith("250 2.0.0 Ok: queued as");
  expect((await next("the bounce")).to).toEqual([first]);
});

test("what is refused beyond is told to the true sender, without a way round", async () => {
  await send({ from: "eve@strange.example", to: ["gone@alias.example"] });
  const notice = await next("the notice");
  expect([notice.from, notice.to]).toEqual(["", ["eve@strange.example"]]);
});

test("own senders, direct mail, notices and lists with an owner are left alone", async () => {
  const lines = await start(["mynetworks = 127.0.0.0/8"]);
  try {
    for (
      const [from, to, want] of [
        ["ann@example.com", "away@example.com", "ann@example.com"],
        ["ann@own.example", "away@example.com", "ann@own.example"],
        ["x@srs.example.com", "away@example.com", "x@srs.example.com"],
        ["", "away@example.com", ""],
        ["eve@strange.example", "bob@far.example", "eve@strange.example"],
        ["eve@strange.example", "carl@own.example", "eve@strange.example"],
        ["eve@strange.example", "list@example.com", "owner-list@mail.example.com"],
      ] as const
    ) {
      await send({ from, to: [to], at: lines });
      expect([from, to, (await next(`${from} to ${to}`)).from]).toEqual([from, to, want]);
    }
  } finally {
    await lines.stop();
  }
});

test("of one message only the copies that go elsewhere get another sender", async () => {
  await send({ from: "eve@strange.example", to: ["both@example.com"] });
  const mails = [await next("one"), await next("other")].sort((a, b) => a.to[0]!.localeCompare(b.to[0]!));
  expect(mails.map(({ to }) => to)).toEqual([["bob@far.example"], ["carl@own.example"]]);
  expect(leadsTo(mails[0]!.from)).toBe("eve@strange.example");
  expect(mails[1]!.from).toBe("eve@strange.example");
});

test("odd senders survive, beyond ASCII too", async () => {
  await send({ from: '"a b=c"@strange.example', to: ["away@example.com"] });
  const mail = await next("the quoted sender");
  expect(leadsTo(mail.from)).toBe("a b=c@strange.example");
  expect(await send({ from: "", to: [mail.from] })).toStartWith("250");
  expect((await next("its bounce")).to).toEqual(['"a b=c"@strange.example']);
  await send({ from: "jürgen@strange.example", to: ["away@example.com"], parameters: " SMTPUTF8" });
  expect(leadsTo(Buffer.from((await next("the international sender")).from, "latin1").toString())).toBe(
    "jürgen@strange.example",
  );
});

test(
  "an address that is longer than others write theirs comes back, one that no server takes is not made",
  async () => {
    const long = `${"a".repeat(64)}@${"sub-domain-of.".repeat(6)}strange.example`;
    await send({ from: long, to: ["away@example.com"] });
    const mail = await next("the long sender");
    expect(splitAddress(mail.from).local.length).toBeGreaterThan(150);
    expect(await send({ from: "", to: [mail.from] })).toStartWith("250");
    await next("its bounce, which goes to the domain's exchanger");
  },
  30_000,
);

test("forged and expired addresses are refused at once, with a clear text, whoever asks", async () => {
  const good = srsForward(internalAddress("victim@strange.example"), rules, Date.now())!;
  const old = srsForward(internalAddress("victim@strange.example"), rules, Date.now() - 22 * DAY)!;
  const later = srsForward(internalAddress("victim@strange.example"), rules, Date.now() + 2 * DAY)!;
  const forged =
    "Recipient address rejected: SRS address is not one that was made here, or it was changed on the way";
  const expired =
    "Recipient address rejected: SRS address has expired: what it answers was forwarded too long ago";
  for (
    const [address, want] of [
      [good.replace("victim", "victor"), forged],
      [good.replace("=strange.example", "=far.example"), forged],
      ["SRS0=AAAA=AA=far.example=bob@srs.example.com", forged],
      ["SRS1=AAAA=far.example==AAAA=AA=far.example=bob@srs.example.com", forged],
      ["SRS0=@srs.example.com", forged],
      [old, expired],
      [later, expired],
    ] as const
  ) {
    for (const from of ["", "eve@strange.example"]) {
      expect(await send({ from, to: [address] })).toBe(`550 5.1.1 <${address}>: ${want}`);
    }
  }
  // What was not signed here for this domain is nobody's business: no relaying.
  const denied = [
    good.replace("@srs.", "@other."),
    "bob@srs.example.com",
    `${splitAddress(good).local}%srs.example.com@example.org`,
  ];
  for (const address of denied) {
    expect(await send({ from: "", to: [address] })).toBe(`454 4.7.1 <${address}>: Relay access denied`);
  }
});

test("whatever is changed in an address that was signed, it leads nowhere", async () => {
  const good = splitAddress(srsForward(internalAddress("victim@strange.example"), rules, Date.now())!).local;
  const client = await talk(server.port);
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<>");
  for (let at = 0; at < good.length; at++) {
    for (const other of ["", "x", "7", "=", "-", "%far.example"]) {
      const bent = `${good.slice(0, at)}${other}${good.slice(at + 1)}`;
      // The sign behind SRS0 is one of three, and letters are the same in both cases.
      if (bent.replace(/^SRS0[-+]/, "SRS0=").toLowerCase() === good.toLowerCase()) continue;
      const reply = await client.say(`RCPT TO:<${bent}@srs.example.com>`);
      if (!/^(550 5\.1\.1|454 4\.7\.1|501) /.test(reply)) throw new Error(`${bent}: ${reply}`);
    }
  }
  expect(await client.say(`RCPT TO:<${good}@srs.example.com>`)).toStartWith("250");
  client.end();
});

test("over two hosts that forward, a bounce goes back over both to the true sender", async () => {
  const second = await start([
    "myhostname = second.example",
    "mydestination =",
    "srs_domain = srs2.example",
    "srs_secret = another-secret-of-good-length",
    "virtual_alias_domains = second.example",
    "virtual_alias_maps = inline:{bob@second.example=bob@far.example}",
    `transport_maps = inline:{far.example=smtp:[127.0.0.1]:${world.port}, srs.example.com=smtp:[127.0.0.1]:${server.port}}`,
  ]);
  const first = await start([
    "virtual_alias_maps = inline:{bob@alias.example=bob@second.example}",
    `transport_maps = inline:{second.example=smtp:[127.0.0.1]:${second.port}, strange.example=smtp:[127.0.0.1]:${world.port}}`,
  ]);
  try {
    await send({ from: "eve@strange.example", to: ["bob@alias.example"], at: first });
    const mail = await next("the mail, forwarded twice");
    expect(mail.from).toMatch(
      /^SRS1=[^=]{4}=srs\.example\.com==[^=]{4}=..=strange\.example=eve@srs2\.example$/,
    );
    expect(mail.to).toEqual(["bob@far.example"]);
    // What comes back goes to the second, from there to the first, which is `server` here: same domain, same secret.
    expect(await send({ from: "", to: [mail.from], at: second })).toStartWith("250");
    expect((await next("the bounce, unwrapped twice")).to).toEqual(["eve@strange.example"]);
  } finally {
    await first.stop();
    await second.stop();
  }
});

test("a content filter sees true addresses before aliases are expanded, and the new sender after", async () => {
  const filter = await startSmtpPeer();
  const atFilter = async () => {
    await until("the mail at the filter", () => filter.mails.length > 0);
    const { from, to } = filter.mails.shift()!;
    return [from, ...to];
  };
  const content_filter = `content_filter = smtp:[127.0.0.1]:${filter.port}`;
  const before = await start([content_filter, "receive_override_options = no_address_mappings"]);
  const after = await start([content_filter]);
  const good = srsForward(internalAddress("eve@strange.example"), rules, Date.now())!;
  try {
    for (const at of [before, after]) {
      expect(await send({ from: "", to: [good], at })).toStartWith("250");
      expect(await atFilter()).toEqual(["", "eve@strange.example"]);
    }
    await send({ from: "eve@strange.example", to: ["bob@alias.example"], at: before });
    expect(await atFilter()).toEqual(["eve@strange.example", "bob@alias.example"]);
    await send({ from: "eve@strange.example", to: ["bob@alias.example"], at: after });
    const [from, to] = await atFilter();
    expect([leadsTo(from!), to]).toEqual(["eve@strange.example", "bob@far.example"]);
  } finally {
    await before.stop();
    await after.stop();
    await filter.close();
  }
});

test("srs_domain without a secret: nothing is let through in another's name, nothing is lost, and it is told", async () => {
  const shut = await start(["srs_secret ="]);
  try {
    await shut.logged(/srs_secret is empty: strangers' mail that is to be forwarded waits/);
    await send({ from: "eve@strange.example", to: ["away@example.com"], at: shut });
    await shut.logged(
      /to=<bob@far.example>.*dsn=4.3.5, status=deferred \(cannot tell under which sender this is to be forwarded: srs_secret is empty\)/,
    );
    const good = srsForward(internalAddress("eve@strange.example"), rules, Date.now())!;
    expect(await send({ from: "", to: [good], at: shut })).toStartWith("451 4.3.0");
    const check = await shut.mta("check");
    expect(check.stdout + check.stderr).toContain("srs_secret is empty");
  } finally {
    await shut.stop();
  }
  expect(world.mails.filter(({ to }) => to.length > 0)).toEqual([]);
});

test("the proof against open relay stands, and the first of several secrets signs", async () => {
  const check = await server.mta("check");
  expect(check.stdout + check.stderr).not.toMatch(/relay/i);
  const rolled = await start(["srs_secret = another-secret-of-good-length, file:$config_directory/secret"]);
  try {
    await send({ from: "eve@strange.example", to: ["away@example.com"], at: rolled });
    expect(leadsTo((await next("signed anew")).from)).toBe("refused");
    const old = srsForward(internalAddress("eve@strange.example"), rules, Date.now())!;
    expect(await send({ from: "", to: [old], at: rolled })).toStartWith("250");
    await next("under the old secret");
  } finally {
    await rolled.stop();
  }
});

const root = withPeers(import.meta.path, "dist/mta", "root");

root.test("a .forward file sends on, and a secret that only root may read is lent", async () => {
  const home = path.join(server.directory, "home");
  fs.mkdirSync(home, { recursive: true });
  fs.writeFileSync(path.join(home, "nobody.forward"), "bob@far.example\n");
  const secret = path.join(server.directory, "root-secret");
  fs.writeFileSync(secret, `${SECRET}\n`, { mode: 0o600 });
  const own = await start([`forward_path = ${home}/$user.forward`, `srs_secret = file:${secret}`]);
  try {
    await send({ from: "eve@strange.example", to: ["nobody@example.com"], at: own });
    const mail = await next("the forwarded mail");
    expect(mail.to).toEqual(["bob@far.example"]);
    expect(leadsTo(mail.from)).toBe("eve@strange.example");
    const rolled = { ...rules, secrets: [Buffer.from("the next secret is another one")] };
    const address = srsForward(internalAddress("eve@strange.example"), rolled, Date.now())!;
    expect(await send({ from: "", to: [address], at: own })).toStartWith("550 5.1.1");
    fs.writeFileSync(secret, `the next secret is another one\n${SECRET}\n`);
    await until(
      "the new secret",
      async () => (await send({ from: "", to: [address], at: own })).startsWith("250"),
    );
    expect((await next("what it answers")).to).toEqual(["eve@strange.example"]);
    await untilFound(() => "the line", () => own.log().split("\n").find((line) => /forwarded as/.test(line)));
  } finally {
    await own.stop();
  }
});
