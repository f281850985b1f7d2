// With one file of secrets postsrsd unwraps what is wrapped here, and the other way round.
import { expect } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { internalAddress, splitAddress } from "../../../src/address/address.ts";
import { srsForward, srsReverse } from "../../../src/mailauth/srs/srs_address.ts";
import type { SrsRules } from "../../../src/mailauth/srs/srs_rules.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type Postsrsd, startPostsrsd } from "../../kit/servers/postsrsd.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "postsrsd", "dist/mta");

const SECRETS = ["the first signs, with blanks and signs: =+/", "an older one that still verifies"];
const rules = (more: Partial<SrsRules> = {}): SrsRules => ({
  domain: "srs.example.com",
  secrets: SECRETS.map((secret) => Buffer.from(secret)),
  separator: "=",
  hashLength: 4,
  hashMinimum: 4,
  maximumAge: 21,
  ...more,
});

let folder: string;
let file: string;
let peer: Postsrsd;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "postsrsd-"));
  fs.chmodSync(folder, 0o755);
  file = path.join(folder, "secrets");
  fs.writeFileSync(file, `${SECRETS.join("\n")}\n`);
  peer = await startPostsrsd("srs.example.com", file);
});
afterAll(async () => {
  await peer?.stop();
  if (folder !== undefined) fs.rmSync(folder, { recursive: true });
});

const SENDERS = [
  ...Array.from({ length: 60 }, (_, at) => `user${at}@host${at % 7}.example`),
  ...["Mixed.Case@Example.ORG", "a=b=c@far.example", "x+y-z@far.example", "o'hara@far.example"],
  ...["a b@far.example", 'quo"te@far.example', "jürgen@far.example", "p%q@far.example"],
  ...["SRS0=abcd=AA=far.example=ann@third.example", "SRS0+abcd=AA=far.example=ann@third.example"],
  ...["SRS1=abcd=third.example==efgh=AA=far.example=ann@fourth.example"],
];

const forward = (sender: string, more?: Partial<SrsRules>) =>
  srsForward(internalAddress(sender), rules(more), Date.now())!;
const reverse = (address: string, more?: Partial<SrsRules>) => {
  const back = srsReverse(splitAddress(address).local, rules(more), Date.now());
  return back.is === "address" ? back.address as string : undefined;
};

test("both write the same, and read what the other wrote", async () => {
  for (const sender of SENDERS) {
    const [ours, theirs] = [forward(sender), await peer.forward(sender)];
    // Unless midnight (UTC) has been between them.
    if (ours !== theirs) expect([sender, forward(sender)]).toEqual([sender, (await peer.forward(sender))!]);
    const want = reverse(ours)!;
    expect([sender, await peer.reverse(ours)]).toEqual([sender, want]);
    expect(reverse(theirs!)).toBe(want);
  }
});

test("a sender at an address literal is not signed here: postsrsd signs a way to any host inside", async () => {
  expect(forward("ann@[192.0.2.1]")).toBeUndefined();
  expect(await peer.forward("ann@[192.0.2.1]")).toContain("=[192.0.2.1]=ann@srs.example.com");
});

test("other separators and longer hashes too", async () => {
  const other = await startPostsrsd("srs.example.com", file, "-a+", "-n8", "-N6");
  try {
    for (const sender of SENDERS) {
      const ours = forward(sender, { separator: "+", hashLength: 8 });
      expect(ours).toMatch(/^SRS[01]\+[\w/+]{8}=/);
      expect(reverse((await other.forward(sender))!)).toBe(reverse(ours)!);
      expect(await other.reverse(ours)).toBe(reverse(ours)!);
    }
  } finally {
    await other.stop();
  }
});

test("both refuse what was changed, was signed by another, or is too old", async () => {
  const good = forward("ann@far.example");
  const bad = [
    good.replace("=ann", "=bob"),
    good.replace("far.example", "fax.example"),
    forward("ann@far.example", { secrets: [Buffer.from("another")] }),
    srsForward(internalAddress("ann@far.example"), rules(), Date.now() - 23 * 86_400_000)!,
    "SRS0=@srs.example.com",
    "SRS1=a=b@srs.example.com",
  ];
  for (const address of bad) {
    expect([address, reverse(address), await peer.reverse(address)]).toEqual([address, undefined, undefined]);
  }
  const old = forward("ann@far.example", { secrets: [Buffer.from(SECRETS[1]!)] });
  expect([reverse(old), await peer.reverse(old)]).toEqual(["ann@far.example", "ann@far.example"]);
  expect([reverse(good.toLowerCase()), await peer.reverse(good.toLowerCase())]).toEqual([
    "ann@far.example",
    "ann@far.example",
  ]);
});

test("a server that takes over from postsrsd: its file, its addresses, and the way back", async () => {
  const world: SmtpPeer = await startSmtpPeer();
  const server: Server = await startServer({
    mainCf: [
      "mydestination =",
      "virtual_alias_domains = alias.example",
      "virtual_alias_maps = inline:{bob@alias.example=bob@far.example}",
      `relayhost = [127.0.0.1]:${world.port}`,
      "srs_domain = srs.example.com",
      `srs_secret = file:${file}`,
      "mynetworks = 192.0.2.0/24",
      "smtpd_peername_lookup = no",
    ],
  });
  try {
    const client = await talk(server.port);
    const send = async (from: string, to: string) => {
      for (const line of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA"]) await client.say(line);
      expect(await client.say("Subject: x\r\n\r\nx\r\n.")).toStartWith("250");
      await until(
        () => `the mail; the log ends:\n${server.log().slice(-2000)}`,
        () => world.mails.length > 0,
      );
      return world.mails.shift()!;
    };
    await client.say("EHLO client.example");
    expect((await send("", (await peer.forward("eve@strange.example"))!)).to).toEqual([
      "eve@strange.example",
    ]);
    const { from } = await send("eve@strange.example", "bob@alias.example");
    expect(await peer.reverse(from)).toBe("eve@strange.example");
    client.end();
  } finally {
    await server.stop();
    await world.close();
  }
});
