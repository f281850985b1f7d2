// Edits that are named are made here, to the files: the session is then answered as it was said.
import { afterEach, describe, expect, test } from "bun:test";
import { type ExplainKit, explainKit } from "../../../test/kit/explain.ts";
import { meaningOf } from "../outcome.ts";
import type { SessionDescription } from "../session_description.ts";

let kits: ExplainKit[] = [];
afterEach(() => {
  for (const each of kits) each.close();
  kits = [];
});

interface Row {
  readonly what: string;
  readonly main: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly session?: Partial<SessionDescription>;
  /** `EDIT | AFTER`, in the order in which they are named. */
  readonly edits: readonly string[];
}

const UNNAMED: SessionDescription["client"] = { address: "192.0.2.7", port: 1, name: "unknown" };

const ROWS: readonly Row[] = [
  {
    what: "an entry for just this sender is taken away",
    main: "smtpd_sender_restrictions = check_sender_access texthash:%DIR%/senders\n",
    files: { senders: "# bad ones\nann@example.org REJECT you\n" },
    edits: ["remove line 2 of senders"],
  },
  {
    what: "an entry for a whole domain gets an exception",
    main: "smtpd_sender_restrictions = check_sender_access texthash:%DIR%/senders\n",
    files: { senders: "example.org REJECT you all\n" },
    edits: [
      "add a line to senders | ann@example.org DUNNO",
      "remove line 1 of senders",
    ],
  },
  {
    what: "a network that is refused gets an exception before it",
    main: "smtpd_client_restrictions = check_client_access cidr:%DIR%/clients\n",
    files: { clients: "10.0.0.0/8 OK\n192.0.2.0/24 REJECT\n" },
    session: { client: UNNAMED },
    edits: ["add a line to clients, before line 2 | 192.0.2.7 DUNNO"],
  },
  {
    what: "a pattern that refuses gets an exception before it",
    main: "smtpd_sender_restrictions = check_sender_access regexp:%DIR%/senders\n",
    files: { senders: "/@example\\.org$/ REJECT\n" },
    edits: ["add a line to senders, before line 1 | /^ann@example\\.org$/ DUNNO"],
  },
  {
    what: "a final reject is passed by an entry of the table before it",
    main: `smtpd_recipient_restrictions = permit_mynetworks,
  check_recipient_access texthash:%DIR%/recipients, reject
`,
    files: { recipients: "ann@example.com OK\n" },
    edits: ["add a line to recipients | bob@example.com OK"],
  },
  {
    what: "relaying: the domain, or the client, is made one of ours",
    main: "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
    session: { recipients: ["x@partner.example"] },
    edits: [
      "add partner.example to relay_domains | relay_domains = partner.example",
      "add 192.0.2.7 to mynetworks | mynetworks = 10.0.0.0/8 192.0.2.7",
    ],
  },
  {
    what: "an unknown virtual mailbox",
    main: "virtual_mailbox_domains = vmail.example\nvirtual_mailbox_maps = texthash:%DIR%/boxes\n",
    files: { boxes: "ann@vmail.example vmail.example/ann/\n" },
    session: { recipients: ["bob@vmail.example"] },
    edits: ["add a line to boxes | bob@vmail.example vmail.example/bob/"],
  },
  {
    what: "an unknown virtual alias",
    main: "virtual_alias_domains = alias.example\nvirtual_alias_maps = texthash:%DIR%/virtual\n",
    files: { virtual: "info@alias.example bob@example.com\n" },
    session: { recipients: ["sales@alias.example"] },
    edits: ["add a line to virtual | sales@alias.example postmaster"],
  },
  {
    what: "an unknown local user",
    main: "alias_maps = texthash:%DIR%/people\nlocal_recipient_maps = $alias_maps\n",
    files: { people: "ann x\n" },
    edits: ["add a line to people | bob postmaster"],
  },
  {
    what: "a recipient that a relay domain does not have",
    main: "relay_domains = relay.example\nrelay_recipient_maps = texthash:%DIR%/relayed\n",
    files: { relayed: "ann@relay.example x\n" },
    session: { recipients: ["bob@relay.example"] },
    edits: ["add a line to relayed | bob@relay.example OK"],
  },
  {
    what: "a restriction without a table only warns, or has this client pass before it",
    main: "smtpd_helo_restrictions = permit_mynetworks,\n  reject_non_fqdn_helo_hostname\n",
    session: { helo: "client", client: UNNAMED },
    edits: [
      "let reject_non_fqdn_helo_hostname only warn | warn_if_reject reject_non_fqdn_helo_hostname",
      "permit this client before reject_non_fqdn_helo_hostname in smtpd_helo_restrictions | " +
      "check_client_access inline:{192.0.2.7=OK}, reject_non_fqdn_helo_hostname",
      "add 192.0.2.7 to mynetworks | mynetworks = 10.0.0.0/8 192.0.2.7",
    ],
  },
  {
    what: "the second of two restrictions of one name, in a class",
    main: `smtpd_restriction_classes = strict
strict = check_helo_access inline:{x=OK}, check_helo_access
  inline:{client.example.org=REJECT}
smtpd_helo_restrictions = strict
`,
    edits: [
      "let check_helo_access inline:{client.example.org=REJECT} only warn | " +
      "strict = check_helo_access inline:{x=OK}, warn_if_reject check_helo_access",
      "permit this client before check_helo_access in strict | " +
      "strict = check_helo_access inline:{x=OK}, check_client_access inline:{192.0.2.7=OK}, check_helo_access",
    ],
  },
  {
    what: "a list that master.cf gives the service",
    main: "",
    files: {
      "master.cf":
        "smtp inet n - n - - smtpd\n  -o syslog_name=x\n  -o smtpd_helo_restrictions=reject_non_fqdn_helo_hostname\n",
    },
    session: { helo: "client" },
    edits: [
      "let reject_non_fqdn_helo_hostname only warn | " +
      "-o smtpd_helo_restrictions=warn_if_reject,reject_non_fqdn_helo_hostname",
      "permit this client before reject_non_fqdn_helo_hostname in smtpd_helo_restrictions | " +
      "-o smtpd_helo_restrictions=check_client_access,inline:{192.0.2.7=OK},reject_non_fqdn_helo_hostname",
    ],
  },
  {
    what: "a message that is too large",
    main: "message_size_limit = 1000\n",
    session: { size: 2000 },
    edits: ["set message_size_limit to 2000 or more | message_size_limit = 2000"],
  },
  {
    what: "what is accepted is refused by taking away the entry that permits",
    main: "smtpd_recipient_restrictions = check_recipient_access texthash:%DIR%/recipients, reject\n",
    files: { recipients: "bob@example.com OK\n" },
    edits: ["remove line 1 of recipients"],
  },
  {
    what: "what is accepted is refused by an entry in a table that is asked",
    main: "smtpd_client_restrictions = check_client_access texthash:%DIR%/clients\n",
    files: { clients: "203.0.113.9 REJECT\n" },
    session: { client: UNNAMED },
    edits: ["add a line to clients | 192.0.2.7 REJECT"],
  },
  {
    what: "an entry that leads to the restrictions that refuse",
    main: `smtpd_restriction_classes = staff
staff = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access texthash:%DIR%/recipients
`,
    files: { recipients: "bob@example.com staff\n" },
    edits: ["remove line 1 of recipients"],
  },
  {
    what: "what no table has a say in is refused by its address",
    main: "",
    edits: [
      "refuse bob@example.com at the head of smtpd_recipient_restrictions | " +
      "smtpd_recipient_restrictions = check_recipient_access inline:{bob@example.com=REJECT}",
    ],
  },
];

test("no edit is named that would let strangers relay", async () => {
  const kit = explainKit(
    `smtpd_relay_restrictions =
smtpd_recipient_restrictions = check_sender_access texthash:%DIR%/senders, reject_unauth_destination
`,
    { senders: "other@example.org OK\n" },
  );
  kits.push(kit);
  const explanation = await kit.explain({ recipients: ["x@partner.example"] }, { edits: true });
  expect(explanation.tried).toBeGreaterThan(0);
  const named = explanation.edits.map(({ edit }) => edit);
  // Who writes as ann@example.org, or from anywhere, must not reach the whole world by it.
  expect(named).toEqual(["add partner.example to relay_domains"]);
});

test("what cannot be done by one edit is begun with", async () => {
  const kit = explainKit(
    "smtpd_recipient_restrictions = check_recipient_access texthash:%DIR%/recipients, reject\n",
    { recipients: "ann@example.com OK\n" },
  );
  kits.push(kit);
  const { edits, partial } = await kit.explain({ recipients: ["new@example.com"] }, { edits: true });
  expect(edits).toEqual([]);
  expect(partial).toMatchObject({
    after: "new@example.com OK",
    reply: "550 5.1.1 <new@example.com>: Recipient address rejected: User unknown in local recipient table",
  });
});

describe("edits that turn an answer round", () => {
  for (const { what, main, files = {}, session = {}, edits } of ROWS) {
    test(what, async () => {
      const open = () => {
        const kit = explainKit(main, files);
        kits.push(kit);
        return kit;
      };
      const first = open();
      const explanation = await first.explain(session, { edits: true });
      const shown = explanation.edits.map(({ edit, after }) =>
        `${edit}${after === undefined ? "" : ` | ${after}`}`
      );
      const named = shown.map((text) => text.replaceAll(`${first.directory}/main.cf`, "main.cf"));
      expect(
        named.map((text) => text.replace(/( to| of) \/\S+\//g, "$1 ").replaceAll(first.directory, "%DIR%")),
      )
        .toEqual([...edits]);
      for (const edit of explanation.edits) {
        const kit = open();
        const here = { ...edit, file: edit.file!.replace(first.directory, kit.directory) };
        kit.make(JSON.parse(JSON.stringify(here).replaceAll(first.directory, kit.directory)));
        const again = await kit.explain(session);
        const command = again.commands.find((each) => each.command === edit.command)!;
        expect(command.reply.join(" / ")).toBe(edit.reply);
        expect(meaningOf(command) === "permit").toBe(explanation.outcome !== "permit");
      }
    });
  }
});
