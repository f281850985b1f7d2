// `mta explain` of the compiled binary against the very server that it speaks of: random sessions, on disk and as loaded.
import { expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Explanation } from "../../../src/explain/explanation.ts";
import { ask, dial } from "../../kit/scenes/play_session.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

const MAIN_CF = [
  "mydestination = example.com, $myhostname",
  "mynetworks = 10.0.0.0/8",
  "relay_domains = relay.example",
  "local_recipient_maps = inline:{bob=x, ann=x}",
  "virtual_alias_domains = alias.example",
  "virtual_alias_maps = texthash:$config_directory/virtual",
  "smtpd_restriction_classes = strict",
  "strict = reject_non_fqdn_helo_hostname, reject_unknown_client_hostname",
  "smtpd_client_restrictions = permit_mynetworks, check_client_access cidr:$config_directory/clients",
  "smtpd_helo_restrictions = check_helo_access hash:$config_directory/helo",
  "smtpd_sender_restrictions = check_sender_access regexp:$config_directory/senders, reject_non_fqdn_sender",
  "smtpd_recipient_restrictions = check_recipient_access hash:$config_directory/recipients, strict",
  "smtpd_end_of_data_restrictions = check_sender_access inline:{ { late@example.org = REJECT too late } }",
  "smtpd_authorized_xclient_hosts = 127.0.0.1",
  "smtpd_error_sleep_time = 0",
  "smtpd_soft_error_limit = 1000",
  "smtpd_hard_error_limit = 1000",
  "dns_servers = 127.0.0.1:9",
];
const FILES = {
  virtual: "info@alias.example bob@example.com\n",
  clients: "192.0.2.66 REJECT not you\n192.0.2.64/26 DUNNO\n203.0.113.0/24 DEFER later\n",
  helo: "bad.example REJECT\nmine.example 550 5.7.1 that is my name\n",
  senders: "/^spam@/ REJECT\n/^hold@/ HOLD\n",
  recipients: "ann@example.com REJECT she is away\nbob@example.com strict\npostmaster@ OK\n",
};

const session = fc.record({
  address: fc.constantFrom("192.0.2.7", "192.0.2.66", "203.0.113.9", "10.1.2.3", "2001:db8::7"),
  name: fc.constantFrom("client.example.org", "unknown"),
  helo: fc.constantFrom("client.example.org", "client", "x.bad.example", "mine.example"),
  sender: fc.constantFrom(
    "ann@example.org",
    "",
    "spam@example.org",
    "hold@example.org",
    "ann@local",
    "late@example.org",
  ),
  recipients: fc.array(
    fc.constantFrom(
      "bob@example.com",
      "ann@example.com",
      "nobody@example.com",
      "x@elsewhere.example",
      "x@relay.example",
      "info@alias.example",
      "no@alias.example",
      "postmaster",
    ),
    { minLength: 1, maxLength: 2 },
  ),
});
type Session = typeof session extends fc.Arbitrary<infer Value> ? Value : never;

function words({ address, name, helo, sender, recipients }: Session): string[] {
  return [
    ...["--client", `${address},${name}`, "--helo", helo, "--from", sender],
    ...recipients.flatMap((recipient) => ["--to", recipient]),
  ];
}

/** Says to the live server what the explanation says, as the same client. */
async function livingReplies(port: number, { client, commands }: Explanation): Promise<string[]> {
  const dialogue = dial(port);
  const name = client.name === "unknown" ? "[UNAVAILABLE]" : client.name;
  const address = client.address.includes(":") ? `IPV6:${client.address}` : client.address;
  await dialogue.reply();
  const replies: string[] = [];
  for (const { command } of commands) {
    replies.push(
      await ask(dialogue, command === "" ? `XCLIENT NAME=${name} ADDR=${address} PORT=40000` : command),
    );
  }
  dialogue.close();
  return replies;
}

const comparable = (reply: string) =>
  reply.replace(/queued as \w+/, "queued as ID").replace(/250-XCLIENT [^\r\n]*\r\n/, "");

describe("mta explain", () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ mainCf: MAIN_CF, files: FILES });
    for (const name of ["helo", "recipients"]) {
      expect((await server.mta("postmap", `hash:${join(server.configDirectory, name)}`)).code).toBe(0);
    }
  }, 180_000);
  afterAll(() => server?.stop());

  const explained = async (given: Session, ...more: string[]) => {
    const { code, stdout, stderr } = await server.mta("explain", "--json", ...more, ...words(given));
    expect(stderr).toBe("");
    const explanation: Explanation = JSON.parse(stdout);
    expect(code).toBe({ permit: 0, reject: 1, defer: 2 }[explanation.outcome]);
    return explanation;
  };

  test("says what the server answers, from the files and from what is loaded", async () => {
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(session, fc.boolean(), async (given, running) => {
        const explanation = await explained(given, "--no-edits", ...(running ? ["--running"] : []));
        expect(explanation.from).toBe(running ? "running" : "disk");
        const living = await livingReplies(server.port, explanation);
        const said = explanation.commands.map(({ reply }) => reply.join("\r\n"));
        expect(said.map(comparable)).toEqual(living.map(comparable));
        outcomes.add(explanation.outcome);
      }),
      { numRuns: 30 },
    );
    expect(outcomes.size).toBeGreaterThan(1);
  }, 180_000);

  const STRANGER: Session = {
    address: "192.0.2.7",
    name: "client.example.org",
    helo: "client.example.org",
    sender: "ann@example.org",
    recipients: ["ann@example.com"],
  };

  test("--running tells what is loaded, not what the files say since", async () => {
    const path = join(server.configDirectory, "main.cf");
    const before = readFileSync(path, "utf8");
    await Bun.write(path, `${before}smtpd_client_restrictions = reject\n`);
    try {
      expect((await explained(STRANGER)).decidedBy.refusedBy).toBe("smtpd_client_restrictions/reject");
      expect((await explained(STRANGER, "--running")).decidedBy.refusedBy).toStartWith(
        "smtpd_recipient_restrictions/check_recipient_access hash:",
      );
    } finally {
      await Bun.write(path, before);
    }
  });

  test("does nothing: no log line, no message, no count", async () => {
    await server.mta("explain", "--running", ...words(STRANGER)); // what is loaded for it, is
    const before = server.log();
    const queue = () => readdirSync(server.queueDirectory, { recursive: true }).length;
    const files = queue();
    const { stdout } = await server.mta(
      "explain",
      "--running",
      ...words({ ...STRANGER, recipients: ["postmaster"] }),
    );
    expect(stdout).toContain("accepted");
    expect(server.log()).toBe(before);
    expect(queue()).toBe(files);
  });

  test("tells the exit statuses of wrong calls apart", async () => {
    const code = async (...args: string[]) => (await server.mta("explain", ...args)).code;
    expect(await code("--help")).toBe(0);
    expect(await code("--client", "nowhere")).toBe(64);
    expect(await code("--client", "192.0.2.7", "--to", "bob@example.com")).toBe(64);
    expect(await code("--client", "192.0.2.7", "--service", "imap")).toBe(64);
    expect(await code("--client", "192.0.2.7", "--running", "--service", "imap")).toBe(64);
    expect((await server.mta("explain", "--nonsense")).stderr).toContain('unknown argument: "--nonsense"');
  });
});
