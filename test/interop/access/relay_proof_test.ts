// The proof against open relay beside the real Postfix: every witness relays there, too, and what is called closed is closed.
import { expect } from "bun:test";
import { BASE, LISTS } from "../../access/relay_lists.ts";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { buildProof, type BuiltProof } from "../../kit/relay_proof.ts";
import { talk } from "../../kit/talk.ts";
import { attempts } from "../../../src/access/relay_proof/relay_session.ts";
import type { Want } from "../../../src/access/restriction.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

/** What needs the DNS, other programs or TLS is no matter here; Postfix dies of a loop, and takes mail that it discards. */
const HERE = LISTS.map(([list]) => list).filter((list) =>
  !/rbl|rhsbl|unknown_|unverified|policy|mysql|dnswl|tls|ccert|mx_backup|spf|no_such|DISCARD|^loop$|^check_client_access$/
    .test(
      list,
    )
);

const settings = (list: string) =>
  `${BASE}access_at_domain_keys = no\nsmtpd_relay_restrictions =\nsmtpd_recipient_restrictions = ${list}\n`;

/** main.cf lines as a table of names and values. */
function table(main: string): Record<string, string> {
  return Object.fromEntries(
    main.split("\n").flatMap((line) => {
      const match = /^(\w+) =(.*)$/.exec(line);
      return match === null ? [] : [[match[1]!, match[2]!.trim()]];
    }),
  );
}

const STRANGER = { address: "198.51.100.77", name: "mail.stranger.example", domain: "stranger.example" };
const WANTS: readonly Want[] = [
  {},
  { sender: "" },
  { sender: "a@partner.example" },
  { sender: "ann@example.org", helo: "friend.example" },
  { client: { address: "198.51.100.78", name: "unknown" } },
];
const FOREIGN = [
  "victim@elsewhere.example",
  "victim%elsewhere.example@example.com",
  '"victim@elsewhere.example"@example.com',
  "elsewhere.example!victim@example.com",
];

/** The reply to RCPT of a session, or the refusal before it. */
async function rcpt(port: number, { facts }: ReturnType<typeof attempts>[number]): Promise<string> {
  const dialogue = await talk(port);
  const { client, helo, sender, recipient } = facts;
  const name = client.name === "unknown" ? "[UNAVAILABLE]" : client.name;
  const address = client.address.includes(":") ? `IPV6:${client.address}` : client.address;
  const commands = [
    `XCLIENT NAME=${name} REVERSE_NAME=${name} ADDR=${address}`,
    ...(helo === undefined ? [] : [`EHLO ${helo}`]),
    `MAIL FROM:<${sender}>`,
    `RCPT TO:<${recipient}>`,
  ];
  let reply = dialogue.greeting;
  for (const command of commands) {
    reply = await dialogue.say(command);
    if (!/^2/.test(reply)) break;
  }
  dialogue.end();
  return reply;
}

describe("the proof against open relay and the real Postfix", () => {
  let postfix: PostfixInstance;
  let ports: number[] = [];
  const proofs: BuiltProof[] = [];

  beforeAll(async () => {
    for (const list of HERE) proofs.push(await buildProof(settings(list)));
    ports = await freePorts(HERE.length);
    const main: Record<string, string> = {
      ...table(BASE),
      smtpd_authorized_xclient_hosts: "127.0.0.1",
      smtpd_error_sleep_time: "0",
      smtpd_client_connection_count_limit: "0",
      defer_transports: "smtp relay local virtual lmtp",
    };
    HERE.forEach((list, at) => main[`list${at}`] = list);
    const master = HERE.map((_, at) =>
      `127.0.0.1:${ports[at]} inet n - n - - smtpd -o smtpd_recipient_restrictions=$list${at} ` +
      // permits all, and satisfies Postfix's search for a word that could close
      "-o { smtpd_relay_restrictions = check_client_access static:OK, reject }"
    ).join("\n");
    postfix = await startPostfix({ main, master });
  }, 180_000);

  afterAll(() => postfix?.stop());

  HERE.forEach((list, at) => {
    test(list === "" ? "(no restrictions)" : list, async () => {
      const { proof, verdict } = proofs[at]!;
      for (const { attempt } of proof.witnesses) expect(await rcpt(ports[at]!, attempt)).toMatch(/^250 /);
      if (verdict !== "closed") return;
      for (const recipient of FOREIGN) {
        for (const want of WANTS) {
          expect(await rcpt(ports[at]!, attempts(STRANGER, want, recipient)[0]!)).toMatch(/^[45]/);
        }
      }
    }, 180_000);
  });
});
