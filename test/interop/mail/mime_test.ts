// What checks see of a message, whatever form its structure is written in: ours beside the real Postfix's cleanup and postmap.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import net from "node:net";
import fc from "fast-check";
import { messageKeys } from "../../../src/commands/table/_message.ts";
import { MimeDowngrade } from "../../../src/delivery/smtp/content/mime_downgrade.ts";
import { settle } from "../../kit/memory/fake_clock.ts";
import { masterLines } from "../../kit/scenes/live_line.ts";
import { BASE_MAIN_CF, memorySmtpd } from "../../kit/memory/memory_smtpd.ts";
import { MIME_MESSAGES, randomMimeMessage } from "../../kit/scenes/mime_messages.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { freePort } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const SEED = Number(process.env.SEED ?? 20261130);
const RANDOM = fc.sample(randomMimeMessage, { numRuns: 150, seed: SEED });
const MESSAGES: Readonly<Record<string, string>> = {
  ...MIME_MESSAGES,
  ...Object.fromEntries(RANDOM.map((text, i) => [`random ${i} of seed ${SEED}`, text])),
};

const SEEING = {
  header_checks: "regexp:{{/^/ WARN main}}",
  mime_header_checks: "regexp:{{/^/ WARN part}}",
  nested_header_checks: "regexp:{{/^/ WARN nested}}",
  body_checks: "regexp:{{/^/ WARN body}}",
};

interface Context {
  readonly main: Record<string, string>;
  readonly only?: RegExp;
  /** The messages are declared as 8-bit, and go on to a server without 8BITMIME. */
  readonly sevenBit?: true;
}

/** Settings, and for which messages they matter. */
const CONTEXTS: Readonly<Record<string, Context>> = {
  "all checks": { main: SEEING },
  "changes": {
    main: {
      header_checks: "regexp:{{/^Subject/ REPLACE Subject: new}, {/^T:/ PREPEND P: p}}",
      mime_header_checks: "regexp:{{/^X: 1/ REPLACE X-New: n}, {/^X-Part/ IGNORE}, {/^Y: 1/ PREPEND Q: q}}",
      nested_header_checks: "regexp:{{/^S: 1/ IGNORE}, {/^From/ REPLACE no field}, {/^T:/ REPLACE U: u}}",
      body_checks:
        "regexp:{{/^body/ REPLACE new line}, {/^pre/ PREPEND before}, {/^inner/ IGNORE}, {/^z/ IGNORE}, {/^yyy/ REPLACE y}}",
    },
  },
  "small limits": {
    main: {
      ...SEEING,
      header_size_limit: "60",
      mime_nesting_limit: "2",
      mime_boundary_length_limit: "1",
      line_length_limit: "512",
      body_checks_size_limit: "12",
    },
  },
  "no structure": {
    main: { ...SEEING, disable_mime_input_processing: "yes" },
    only: /boundary=b"|nest|attached/,
  },
  "strict rules": {
    main: { strict_8bitmime: "yes", strict_mime_encoding_domain: "yes" },
    only: /random|encoding of|tree|bytes|header$/,
  },
  "encoding domains": { main: { strict_mime_encoding_domain: "yes" }, only: /encoding of/ },
  "header checks alone": { main: { header_checks: SEEING.header_checks }, only: /tree|attached|random/ },
  // Deeper trees are not sent; without checks we leave the fields of parts alone, however long they are.
  "7-bit server": {
    main: { mydestination: "example.com, sevenbit.example" },
    sevenBit: true,
    only: /^(?!a tree of 1[02]|nothing|no header|an endless field in a part)/,
  },
  "body checks alone": {
    main: { body_checks: SEEING.body_checks, body_checks_size_limit: "0" },
    only: /tree|nested|long/,
  },
};

const cases = Object.entries(CONTEXTS).flatMap(([context, { main, only, sevenBit }]) =>
  Object.entries(MESSAGES).filter(([name]) => only?.test(name) ?? true)
    .map(([name, text], i) => ({
      context,
      main,
      sevenBit,
      name,
      text,
      sender: `m${i}.${context.replaceAll(" ", "")}@example.org`,
    }))
);
type Case = (typeof cases)[number];

/** How a message ends, what the checks have said, and what is stored. */
interface Seen {
  readonly reply: string;
  readonly lines: readonly string[];
  readonly content: string | undefined;
}

const withoutIds = (text: string) =>
  text.replace(/\bqueued as \w+/, "queued as ID").replace(/\bid [0-9A-Z]{6,}/g, "id ID");

/** The trace on top, which has dates and names. */
const withoutTrace = (content: string) => content.replace(/^Received: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*/, "");

/** What a line of the log says behind the queue id, but for what the checks see of our own Received field. */
function said(lines: readonly string[], sender: string): string[] {
  return lines.filter((line) =>
    line.includes(`from=<${sender}>`) && / (warning|reject): (header|body|mime-error) /.test(line)
  )
    .map((line) =>
      line.replace(/^.*? (warning|reject): /, "$1: ").replace(/[^\x20-\x3e\x40-\x7e]+/g, "?").replace(
        /\?+/g,
        "?",
      )
    )
    .filter((line) => !line.startsWith("warning: header Received: "));
}

/** What our client makes of a message for a server without 8BITMIME. */
function converted(content: Buffer): Buffer {
  const conversion = new MimeDowngrade({ line: 2048, header: 102_400, boundary: 2048, nesting: 100 });
  return Buffer.concat([...conversion.push(content), ...conversion.end()]);
}

function dialogue({ sender, text, sevenBit }: Case): string[] {
  const stuffed = text.replace(/(^|\r\n)\./g, "$1..");
  const end = text === "" || text.endsWith("\r\n") ? ".\r\n" : "\r\n.\r\n";
  return [
    `${sevenBit ? "EHLO" : "HELO"} client\r\n`,
    `MAIL FROM:<${sender}>${sevenBit ? " BODY=8BITMIME" : ""}\r\n`,
    `RCPT TO:<b@${sevenBit ? "sevenbit.example" : "example.com"}>\r\n`,
    "DATA\r\n",
    stuffed + end,
  ];
}

const HEADER_AND_BLANK = /^(?:[!-9;-~]+[ \t]*:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*)*\r\n/;

async function ours(each: Case, form: "as stored" | "as sent" = "as sent"): Promise<Seen> {
  const house = memorySmtpd(each.main);
  const connection = house.connect();
  await settle();
  let reply = "";
  for (const part of dialogue(each)) {
    connection.send(Buffer.from(part, "latin1"));
    await settle();
    reply = connection.read() || reply;
  }
  for (let turn = 0; reply.startsWith("354") && turn < 200; turn++) {
    await settle();
    reply = connection.read() || reply;
  }
  const [message] = house.store.messages.values();
  const content = message && Buffer.from(message.bytes);
  return {
    reply: withoutIds(reply).trim(),
    lines: said(house.log.lines, each.sender),
    content: content &&
      withoutTrace((each.sevenBit && form === "as sent" ? converted(content) : content).toString("latin1")),
  };
}

/** Sends all messages of a context in one session; answers the replies. */
async function sendAll(port: number, all: readonly Case[]): Promise<string[]> {
  const socket = net.connect(port, "127.0.0.1");
  const answer = () =>
    new Promise<string>((resolve, reject) => {
      socket.once("data", (chunk) => resolve(chunk.toString("latin1")));
      socket.once("close", () => reject(new Error("closed")));
    });
  socket.setMaxListeners(0);
  await answer();
  const replies: string[] = [];
  for (const each of all) {
    let last = "";
    for (const part of dialogue(each)) {
      socket.write(Buffer.from(part, "latin1"));
      last = await answer();
    }
    replies.push(withoutIds(last).trim());
  }
  socket.end("QUIT\r\n");
  return replies;
}

describe("content checks see what Postfix's see", () => {
  let postfix: PostfixInstance | undefined;
  let peer: SmtpPeer;
  let sevenBitPeer: SmtpPeer;
  let log: string[] = [];
  const replies = new Map<string, string>();

  beforeAll(async () => {
    peer = await startSmtpPeer();
    sevenBitPeer = await startSmtpPeer({ ehlo: ["PIPELINING", "SIZE"] });
    const hop = `smtp:[127.0.0.1]:${peer.port}`;
    const ports: Record<string, number> = {};
    let master = "";
    for (const [name, { main }] of Object.entries(CONTEXTS)) {
      const port = ports[name] = await freePort();
      const transcript = {
        title: "",
        file: "",
        main,
        client: undefined,
        only: undefined,
        steps: [],
        logs: [],
      };
      master += masterLines(transcript, port, BASE_MAIN_CF);
    }
    postfix = await startPostfix({
      main: {
        ...BASE_MAIN_CF,
        default_transport: hop,
        local_transport: hop,
        smtp_dns_support_level: "disabled",
        smtp_line_length_limit: "0",
        mydestination: "example.com, sevenbit.example",
        transport_maps: `inline:{{sevenbit.example = smtp:[127.0.0.1]:${sevenBitPeer.port}}}`,
        smtpd_soft_error_limit: "100000",
        smtpd_hard_error_limit: "100000",
      },
      master,
    });
    await Promise.all(
      Object.keys(CONTEXTS).map(async (name) => {
        const all = cases.filter(({ context }) => context === name);
        for (const [i, reply] of (await sendAll(ports[name]!, all)).entries()) {
          replies.set(all[i]!.sender, reply);
        }
      }),
    );
    const accepted = cases.filter(({ sender }) => replies.get(sender)!.startsWith("250"));
    await until(
      "all that was accepted",
      () => peer.mails.length + sevenBitPeer.mails.length >= accepted.length,
    );
    log = postfix.log().split("\n");
  }, 180_000);

  afterAll(async () => {
    await postfix?.stop();
    await Promise.all([peer?.close(), sevenBitPeer?.close()]);
  });

  for (const each of cases) {
    test(`${each.context}: ${each.name}`, async () => {
      const mail = [...peer.mails, ...sevenBitPeer.mails].find(({ from }) => from.includes(each.sender));
      const theirs = {
        reply: replies.get(each.sender),
        lines: said(log, each.sender),
        content: mail && withoutTrace(mail.content),
      };
      expect(await ours(each)).toEqual(theirs as Seen);
    });

    // Postfix converts on the way out, when the blank line is there that was missing behind a header.
    if (each.sevenBit && HEADER_AND_BLANK.test(each.text)) {
      test(`force_mime_input_conversion has in the queue what Postfix makes of it for a 7-bit server: ${each.name}`, async () => {
        const mail = sevenBitPeer.mails.find(({ from }) => from.includes(each.sender));
        const seen = await ours(
          { ...each, main: { ...each.main, force_mime_input_conversion: "yes" } },
          "as stored",
        );
        expect(seen.content).toBe(mail && withoutTrace(mail.content));
      });
    }
  }
});

describe("postmap -hbm finds the keys that Postfix's finds", () => {
  const limits = { line: Infinity, header: 102_400, boundary: 2048, nesting: 100 };
  for (const [name, text] of Object.entries(MESSAGES)) {
    test(name, () => {
      const message = Buffer.from(text.replaceAll("\r\n", "\n"), "latin1");
      for (const flags of ["hbm", "hb", "bm", "hm"]) {
        const real = spawnSync("postmap", [`-${flags}`, "-u", "-q", "-", "regexp:{{/^/ <>}}"], {
          input: message,
        });
        const wanted = { header: flags.includes("h"), body: flags.includes("b"), mime: flags.includes("m") };
        const keys = messageKeys(message, wanted, limits);
        const printed = keys.map((key) => `${key.toString("latin1")}\t<>\n`).join("");
        expect({ flags, out: printed }).toEqual({ flags, out: real.stdout.toString("latin1") });
      }
    });
  }
});
