// check_spf and check_spf_access by the compiled binary, with a name server of their own.
import { expect } from "bun:test";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { type Talk, talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

/** More than fits into a datagram: this one has to be asked for over TCP. */
const LONG = `v=spf1 ${Array.from({ length: 60 }, (_, at) => `ip4:203.0.113.${at}`).join(" ")} -all`;

const ZONE = {
  "refusing.example": {
    TXT: ["something else", "v=spf1 include:_spf.refusing.example -all exp=why.refusing.example"],
  },
  "_spf.refusing.example": { TXT: ["v=spf1 a:mx.refusing.example exists:%{l}.users.refusing.example ~all"] },
  "mx.refusing.example": { A: ["192.0.2.1"] },
  "ann+list.users.refusing.example": { A: ["127.0.0.2"] },
  "why.refusing.example": { TXT: ["%{c} is not ours, ask postmaster@%{d}"] },
  "long.example": { TXT: ["truncate", LONG] },
  "soft.example": { TXT: ["v=spf1 ~all"] },
  "strange.example": { TXT: ["v=spf1 ~all"] },
  "other.example": { TXT: ["v=spf1 +all"] },
  "odd.example": { TXT: ["v=spf1 all:odd -all"] },
  "passing.example": { TXT: ["v=spf1 ip4:192.0.2.0/24 -all"] },
  "broken.example": "SERVFAIL",
  "helo.example": { TXT: ["v=spf1 -all"] },
} as const;

let dns: DnsServer;
let server: Server;

/** A client at an address that writes for a sender, as far as MAIL. */
async function writes(sender: string, address = "192.0.2.7"): Promise<Talk> {
  const client = await talk(server.port);
  await client.say("EHLO here");
  await client.say(`XCLIENT NAME=[UNAVAILABLE] ADDR=${address}`);
  await client.say("EHLO helo.example");
  expect(await client.say(`MAIL FROM:<${sender}>`)).toStartWith("250 ");
  return client;
}

async function rcpt(sender: string, address?: string): Promise<string> {
  const client = await writes(sender, address);
  const reply = await client.say("RCPT TO:<root@example.com>");
  client.end();
  return reply;
}

async function deliver(sender: string): Promise<string> {
  const client = await writes(sender);
  expect(await client.say("RCPT TO:<root@example.com>")).toStartWith("250 ");
  expect(await client.say("DATA")).toStartWith("354 ");
  const queued = await client.say("Subject: hello\r\n\r\ntext\r\n.");
  client.end();
  return queued;
}

const TABLE = `fail REJECT
fail:helo.example REJECT not you
softfail DEFER come later
softfail:soft.example 550 5.7.23 no
softfail:strange.example PREPEND X-SPF: soft
permerror REJECT
temperror DEFER_IF_PERMIT
none ours
pass:passing.example OK
pass HOLD
`;

beforeAll(async () => {
  // Nothing is kept by the resolver: what is asked once is remembered elsewhere.
  dns = await startDnsServer(ZONE, { ttl: 0 });
});
afterAll(() => dns.close());

const start = (lists: readonly string[], files: Record<string, string> = {}) =>
  startServer({
    files,
    mainCf: [
      `dns_servers = ${dns.address}`,
      "smtpd_authorized_xclient_hosts = 127.0.0.0/8",
      "mynetworks = 10.0.0.0/8",
      "mydestination = example.com",
      "local_recipient_maps =",
      "local_transport = discard",
      "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
      ...lists,
    ],
  });

describe("check_spf", () => {
  beforeAll(async () => {
    server = await start([
      "smtpd_recipient_restrictions = permit_mynetworks, check_spf",
      "smtpd_data_restrictions = check_spf",
    ]);
  });
  afterAll(() => server.stop());

  test("refuses by the domain's record, in its words", async () => {
    expect(await rcpt("bob@refusing.example")).toBe(
      "550 5.7.23 <bob@refusing.example>: Sender address rejected: SPF fail by -all of 192.0.2.7 for refusing.example; " +
        "refusing.example explains: 192.0.2.7 is not ours, ask postmaster@refusing.example",
    );
    await server.logged(
      /reject: RCPT from unknown\[192\.0\.2\.7\]: 550 5\.7\.23 <bob@refusing\.example>: .* helo=<helo\.example>/,
    );
    expect(await rcpt("")).toStartWith(
      "550 5.7.23 <helo.example>: Helo command rejected: SPF fail by -all of 192.0.2.7",
    );
    expect(await rcpt("bob@long.example")).toStartWith("550 5.7.23 ");
  });

  test("lets through whom the record names, and whom it says nothing of", async () => {
    expect(await rcpt("bob@refusing.example", "192.0.2.1")).toStartWith("250 ");
    // The macro makes a name that is no host's.
    expect(await rcpt("ann+list@refusing.example")).toStartWith("250 ");
    for (const sender of ["a@soft.example", "a@odd.example", "a@nosuch.example", "a"]) {
      expect(await rcpt(sender)).toStartWith("250 ");
    }
    expect(await rcpt("bob@refusing.example", "10.1.2.3")).toStartWith("250 ");
  });

  test("asks for each sender once, however many recipients and restrictions there are", async () => {
    dns.setZone({ ...ZONE, "counted.example": { TXT: ["v=spf1 a -all"], A: ["192.0.2.7"] } });
    const client = await writes("bob@counted.example");
    for (let at = 0; at < 5; at++) {
      expect(await client.say(`RCPT TO:<r${at}@example.com>`)).toStartWith("250 ");
    }
    expect(await client.say("DATA")).toStartWith("354 ");
    expect(await client.say("Subject: x\r\n\r\n.")).toStartWith("250 ");
    client.end();
    expect(dns.asked.filter((question) => question.endsWith("counted.example"))).toEqual([
      "udp TXT counted.example",
      "udp A counted.example",
    ]);
  });

  test("defers while the DNS does not answer, and asks again for the next transaction of the session", async () => {
    const client = await writes("bob@broken.example");
    for (let time = 0; time < 3; time++) {
      expect(await client.say("RCPT TO:<root@example.com>")).toBe(
        "451 4.7.24 <bob@broken.example>: Sender address rejected: SPF temperror of 192.0.2.7 for broken.example: " +
          "broken.example TXT: Host not found, try again",
      );
    }
    dns.setZone({ ...ZONE, "broken.example": { TXT: ["v=spf1 +all"] } });
    // The resolver itself keeps a failure for a second.
    await until("an answer", async () => {
      await client.say("RSET");
      await client.say("MAIL FROM:<bob@broken.example>");
      return (await client.say("RCPT TO:<root@example.com>")).startsWith("250 ");
    });
    client.end();
    dns.setZone(ZONE);
  });

  test("another client by XCLIENT is another question", async () => {
    const client = await talk(server.port);
    const ask = async () => {
      await client.say("EHLO helo.example");
      await client.say("MAIL FROM:<bob@passing.example>");
      return await client.say("RCPT TO:<root@example.com>");
    };
    expect(await ask()).toStartWith("550 5.7.23 ");
    await client.say("RSET");
    await client.say("XCLIENT ADDR=192.0.2.7");
    expect(await ask()).toStartWith("250 ");
    client.end();
  });

  test("mta explain shows how it came to it", async () => {
    const { stdout } = await server.mta(
      ..."explain --client 192.0.2.7 --helo helo.example --from bob@refusing.example --to root@example.com"
        .split(" "),
    );
    expect(stdout).toContain("check_spf");
    expect(stdout).toContain("fail by -all");
    expect(stdout).toContain("DNS TXT: _spf.refusing.example");
  });
});

describe("check_spf_access", () => {
  let peer: SmtpPeer;
  beforeAll(async () => {
    peer = await startSmtpPeer({});
    server = await start([
      "smtpd_sender_restrictions = check_spf_access texthash:$config_directory/spf",
      "smtpd_data_restrictions = check_sender_access inline:{eve@passing.example=broken}",
      "smtpd_restriction_classes = ours, broken",
      "ours = check_helo_access inline:{{helo.example=REJECT named}}",
      "broken = check_spf_access hash:$config_directory/missing",
      "mydestination =",
      "relay_domains = example.com",
      `relay_transport = smtp:[127.0.0.1]:${peer.port}`,
    ], { spf: TABLE });
  });
  afterAll(async () => {
    await server.stop();
    await peer.close();
  });

  test("does what the table says, of the domain first and then of the result", async () => {
    expect(await rcpt("bob@long.example")).toBe(
      "554 5.7.23 <bob@long.example>: Sender address rejected: SPF fail by -all of 192.0.2.7 for long.example",
    );
    expect(await rcpt("")).toBe("554 5.7.1 <helo.example>: Helo command rejected: not you");
    expect(await rcpt("bob@soft.example")).toBe("550 5.7.23 <bob@soft.example>: Sender address rejected: no");
    expect(await rcpt("bob@odd.example")).toBe(
      "554 5.7.24 <bob@odd.example>: Sender address rejected: SPF permerror of 192.0.2.7 for odd.example: " +
        'odd.example: "all:odd": nothing may follow',
    );
    expect(await rcpt("bob@broken.example")).toStartWith(
      "450 4.7.24 <bob@broken.example>: Sender address rejected: ",
    );
    expect(await rcpt("bob@nosuch.example")).toBe(
      "554 5.7.1 <helo.example>: Helo command rejected: named",
    );
  });

  test("has the actions that go with the message", async () => {
    await deliver("bob@strange.example");
    await until("the message", () => peer.mails.length > 0);
    expect(peer.mails[0]!.content).toContain("X-SPF: soft\r\n");
    await deliver("bob@other.example");
    await server.logged(
      /hold: RCPT from unknown\[192\.0\.2\.7\]: <bob@other\.example>: Sender address triggers HOLD/,
    );
    expect((await server.mta("postqueue", "-p")).stdout).toMatch(/^\w+!.* bob@other\.example$/m);
  });

  test("OK is no leave to relay", async () => {
    const client = await writes("bob@passing.example");
    expect(await client.say("RCPT TO:<root@example.com>")).toStartWith("250 ");
    expect(await client.say("RCPT TO:<root@elsewhere.example>")).toContain("Relay access denied");
    client.end();
  });

  test("a table that cannot be asked defers", async () => {
    const client = await writes("eve@passing.example");
    await client.say("RCPT TO:<root@example.com>");
    expect(await client.say("DATA")).toBe(
      "451 4.3.5 <eve@passing.example>: Sender address rejected: Server configuration error",
    );
    client.end();
  });
});

test("mail that is checked as a whole asks for the sender no second time, and has the result in its header", async () => {
  const peer = await startSmtpPeer({});
  server = await start([
    "smtpd_recipient_restrictions = check_spf",
    "mail_authentication = yes",
    "mydestination =",
    "relay_domains = example.com",
    `relay_transport = smtp:[127.0.0.1]:${peer.port}`,
  ]);
  dns.asked.length = 0;
  await deliver("bob@soft.example");
  await until("the message", () => peer.mails.length > 0);
  expect(peer.mails[0]!.content).toMatch(
    /^Authentication-Results: mail\.example\.com[^]*spf=softfail[^]*smtp\.mailfrom=/m,
  );
  expect(dns.asked.filter((question) => question.endsWith("TXT soft.example"))).toEqual([
    "udp TXT soft.example",
  ]);
  await server.stop();
  await peer.close();
});
