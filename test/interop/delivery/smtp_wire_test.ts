// What our client and Postfix's send for the same message: commands and content, to servers of different abilities.
import { internalAddress } from "../../../src/address/address.ts";
import { expect } from "bun:test";
import { EIGHT_BIT_MESSAGES } from "../../kit/scenes/eight_bit_messages.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type JobOptions, testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const SUBMISSION_PORT = 24874;
const HEAD =
  "From: ann@example.com\r\nDate: Wed, 25 Nov 2026 01:02:03 +0000\r\nMessage-Id: <1@example.com>\r\n";
const FULL = ["PIPELINING", "SIZE 1000000", "8BITMIME", "DSN", "SMTPUTF8"];

interface Case {
  readonly script: PeerScript;
  readonly job: Omit<JobOptions, "nexthop">;
}

const to = (text: string, more: object = {}) => {
  const address = internalAddress(text);
  return { address, original: address, notify: 0, ...more };
};

const CASES: Readonly<Record<string, Case>> = {
  plain: { script: {}, job: {} },
  "all parameters": {
    script: { ehlo: FULL },
    job: {
      ret: "HDRS",
      envid: "QQ+31=x",
      to: [to("bob@D", { notify: 6, orcpt: "rfc822;orig+x@example.org" })],
    },
  },
  "DSN without parameters": {
    script: { ehlo: FULL },
    job: { to: [to("bob@D"), to("carl@D", { notify: 1 })] },
  },
  "no DSN at the server": {
    script: { ehlo: ["PIPELINING"] },
    job: { ret: "FULL", envid: "x", to: [to("bob@D", { notify: 2 })] },
  },
  "null sender": { script: {}, job: { sender: internalAddress("") } },
  "quoted local parts": {
    script: {},
    job: { sender: internalAddress("a b@example.com"), to: [to('we"ird\\one@D'), to("x..y@D")] },
  },
  "8-bit to 8BITMIME": {
    script: {},
    job: { body: "8BITMIME", eightBit: true, content: Buffer.from(HEAD + EIGHT_BIT_MESSAGES.text, "latin1") },
  },
  "dots and long lines": {
    script: {},
    job: {
      content: `${HEAD}\r\n.\r\n..\r\n.x\r\n${"y".repeat(998)}\r\n${"z".repeat(999)}\r\n${
        "w".repeat(3000)
      }\r\n`,
    },
  },
  "SMTPUTF8": {
    script: { ehlo: FULL },
    job: {
      smtputf8: true,
      body: "8BITMIME",
      eightBit: true,
      sender: internalAddress("jürgen@example.com"),
      to: [to("bob@D")],
    },
  },
  "HELO only": { script: { ehlo: "502 no" }, job: {} },
  "LF in the middle": { script: {}, job: { content: `${HEAD}\r\nno end` } },
  ...Object.fromEntries(
    Object.entries(EIGHT_BIT_MESSAGES).filter(([name]) => name !== "no header").map((
      [name, text],
    ) => [`8-bit to 7-bit server: ${name}`, {
      script: { ehlo: ["PIPELINING", "SIZE"] },
      job: {
        body: "8BITMIME",
        eightBit: true,
        content: Buffer.from(HEAD + text.replaceAll("\0", "\x02"), "latin1"),
      },
    }]),
  ),
};

/** MAIL and RCPT lines with sorted parameters; the size depends on Received lines. */
function commands(peer: SmtpPeer, domain: string): string[] {
  return peer.lines.filter((line) => !/^(RSET|QUIT)$/.test(line)).map((line) => {
    const [path, ...parameters] = line.replaceAll(domain, "D").split(/(?<=>)/);
    return path + parameters.join("").replace(/SIZE=\d+/, "SIZE=S").split(" ").sort().join(" ");
  });
}

/** Content without the trace that Postfix puts on top. */
function content(peer: SmtpPeer): string {
  return peer.mails[0]!.raw.replace(/^Received: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*/, "");
}

describe("our client and Postfix's", () => {
  let postfix: PostfixInstance;
  const peers: { ours: SmtpPeer; theirs: SmtpPeer }[] = [];
  beforeAll(async () => {
    const scripts = Object.values(CASES).map(({ script }) => script);
    for (const script of scripts) {
      peers.push({ ours: await startSmtpPeer(script), theirs: await startSmtpPeer(script) });
    }
    postfix = await startPostfix({
      main: {
        transport_maps: "texthash:$config_directory/transport",
        smtpd_relay_restrictions: "permit_mynetworks, reject",
        smtputf8_enable: "yes",
        smtp_connection_cache_on_demand: "no",
      },
      master: `127.0.0.1:${SUBMISSION_PORT} inet n - n - - smtpd\n`,
      files: {
        transport: peers.map(({ theirs }, i) => `w${i}.example.net smtp:[127.0.0.1]:${theirs.port}\n`).join(
          "",
        ),
      },
    });
  }, 180_000);
  afterAll(async () => {
    await postfix?.stop();
    for (const { ours, theirs } of peers) await Promise.all([ours.close(), theirs.close()]);
  });

  for (const [i, [name, { job }]] of Object.entries(CASES).entries()) {
    test(`send the same: ${name}`, async () => {
      const domain = `w${i}.example.net`;
      const inDomain = (text: string) => text.replace(/@D$/, `@${domain}`);
      const { ours, theirs } = peers[i]!;
      const recipients = (job.to ?? ["bob@D"]).map((one) =>
        typeof one === "string" ? inDomain(one) : {
          ...one,
          address: internalAddress(inDomain(one.address)),
          original: internalAddress(inDomain(one.original)),
        }
      );
      const options = { content: `${HEAD}\r\nhello\r\n`, ...job, to: recipients };
      const agent = testAgent();
      const submitted = await agent.deliver({
        ...options,
        nexthop: `[127.0.0.1]:${SUBMISSION_PORT}`,
        more: false,
      });
      expect(submitted.outcomes.map(({ is, detail }) => is === "sent" ? is : detail.text)).toEqual(
        recipients.map(() => "sent"),
      );
      const sent = await agent.deliver({ ...options, nexthop: `[127.0.0.1]:${ours.port}`, more: false });
      expect(sent.outcomes.map(({ is }) => is)).toEqual(recipients.map(() => "sent"));
      await until("the mail", () => theirs.mails.length > 0);
      expect(commands(ours, domain)).toEqual(commands(theirs, domain));
      expect(content(ours)).toBe(content(theirs));
    }, 180_000);
  }
});
