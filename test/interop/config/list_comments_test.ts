// Comments behind the items of a list: what both say of them, and that what follows them is in no list.
import { expect, setDefaultTimeout } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { sendMessage } from "../../kit/talk.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix");
setDefaultTimeout(180_000);

const MAIN = {
  mynetworks: "192.0.2.0/24 # not yet 127.0.0.0/8",
  mydestination: "example.com, #other.example",
  relay_domains: "$config_directory/domains",
  smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
  local_recipient_maps: "",
  relay_recipient_maps: "",
  local_transport: "discard:",
  relay_transport: "discard:",
};
const DOMAINS = "# ours\nrelay.example # and not.example\nnext.example\n";
const RECIPIENTS = ["example.com", "other.example", "relay.example", "not.example", "next.example"];

const said = (log: string) =>
  [...log.matchAll(/warning: (\w+: comment at end of line is not supported: .*?)(?:\?| \(.*)?$/gm)]
    .map(([, text]) => text!).filter((text) => /^(?:mynetworks|mydestination|relay_domains):/.test(text));

async function repliesAt(port: number): Promise<string[]> {
  const replies: string[] = [];
  for (const domain of RECIPIENTS) {
    replies.push((await sendMessage(port, { from: "a@b.example", to: `x@${domain}` })).slice(0, 3));
  }
  return replies;
}

test("a list ends at a comment, with the real one's warning; the words behind it let nobody in", async () => {
  const port = await freePort();
  const files = { domains: DOMAINS };
  const real = await startPostfix({ main: MAIN, master: `127.0.0.1:${port} inet n - n - - smtpd`, files });
  const mainCf = Object.entries(MAIN).map(([name, value]) => `${name} = ${value}`);
  const ours = await startServer({ mainCf, files });
  try {
    const replies = await repliesAt(port);
    expect(replies).toEqual(["250", "554", "250", "554", "250"]);
    expect(await repliesAt(ours.port)).toEqual(replies);
    const wanted = [...new Set(said(real.log()))].sort();
    expect(wanted).toHaveLength(3);
    expect([...new Set(said(ours.log()))].sort()).toEqual(wanted);
    const check = (await ours.mta("check")).stderr;
    expect([...new Set(said(check))].sort()).toEqual(wanted);
    expect(check).toMatch(
      /mynetworks: comment .* \(\S+\/main\.cf, line \d+; it ends the list: write it on a line of its own\)/,
    );
  } finally {
    await real.stop();
    await ours.stop();
  }
});
