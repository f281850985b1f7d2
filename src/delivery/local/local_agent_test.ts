import { internalAddress } from "../../address/address.ts";
import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import { contentOf } from "../../../test/kit/memory/memory_store.ts";
import { countedIds, memoryCleanup } from "../../../test/kit/memory/memory_cleanup.ts";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { memoryTable } from "../../../test/kit/memory/memory_table.ts";
import { isNamed, ownershipOf } from "../../platform/file/mail_files.ts";
import { ownIds } from "../../platform/process/users.ts";
import type { Envelope, QueueId, Recipient } from "../../queue/envelope.ts";
import type { Answer } from "../../table/table.ts";
import { mapsOf } from "../../table/search/maps.ts";
import type { Agent, DeliveryJob, Outcome } from "../agent.ts";
import { createOwnWriter } from "../mailbox/own_writer.ts";
import { createLocalAgent } from "./local_agent.ts";
import type { LocalSettings } from "./local_settings.ts";
import { createUserLookup } from "./users.ts";

let root = "";
beforeEach(() => {
  root = fs.mkdtempSync(`${os.tmpdir()}/local-`);
  fs.mkdirSync(`${root}/mail`);
  fs.mkdirSync(`${root}/home`);
});
afterEach(() => fs.rmSync(root, { recursive: true }));

const OWN = ownIds();
const BODY = "Received: from client\r\n\tby here\r\nSubject: test\r\n\r\nhello\r\nFrom me\r\n.dot\r\n";

const settings = (): LocalSettings => ({
  allow_mail_to_commands: "alias, forward",
  allow_mail_to_files: "alias, forward",
  command_execution_directory: "",
  command_expansion_filter: "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
  command_time_limit: 5,
  default_privs: "nobody",
  deliver_lock_attempts: 2,
  deliver_lock_delay: 0.02,
  execution_directory_expansion_filter: "abcdefghijklmnopqrstuvwxyz/",
  expand_owner_alias: false,
  export_environment: "TZ LANG=C",
  fallback_transport: "",
  forward_expansion_filter: "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
  forward_path: "$home/.forward${recipient_delimiter}${extension}, $home/.forward",
  frozen_delivered_to: true,
  home_mailbox: "",
  local_command_shell: "",
  luser_relay: "",
  mail_name: "Postfix",
  mail_spool_directory: `${root}/mail`,
  mailbox_command: "",
  mailbox_delivery_lock: "fcntl, dotlock",
  mailbox_size_limit: 51200000,
  mailbox_transport: "",
  myhostname: "mail.example.com",
  owner_request_special: true,
  prepend_delivered_header: "command, file, forward",
  propagate_unmatched_extensions: "canonical, virtual",
  queue_directory: root,
  recipient_delimiter: "+",
  require_home_directory: false,
  reset_owner_alias: false,
  stale_lock_time: 500,
  strict_mailbox_ownership: true,
  sun_mailtool_compatibility: false,
});

interface Rig {
  readonly aliases?: Readonly<Record<string, string | Answer>>;
  readonly settings?: Partial<LocalSettings>;
  readonly agents?: (transport: string) => Agent | undefined;
  readonly own?: { uid: number; gid: number };
  readonly defaultPrivs?: { uid: number; gid: number };
  readonly userMaps?: Readonly<Record<string, string>>;
}

function rig(options: Rig = {}) {
  const cleanup = memoryCleanup();
  const log = memoryLog();
  const passwd = memoryTable({
    alice: `alice:x:::Alice:${root}/home:/bin/sh`,
    bob: `bob:x:::Bob:${root}/nowhere:/bin/sh`,
    stranger: `stranger:x:54321:54321::${root}/nowhere:/bin/sh`,
  });
  const agent = createLocalAgent({
    settings: { ...settings(), ...options.settings },
    aliases: [{ table: memoryTable(options.aliases ?? {}), owner: () => 0 }],
    mailboxCommandMaps: undefined,
    mailboxTransportMaps: options.userMaps === undefined
      ? undefined
      : mapsOf([memoryTable(options.userMaps)], { warn: () => {} }),
    fallbackTransportMaps: undefined,
    users: createUserLookup([passwd], OWN),
    defaultPrivs: options.defaultPrivs ?? OWN,
    writer: createOwnWriter(options.own ?? OWN),
    ownership: ownershipOf,
    named: isNamed,
    account: (uid) => uid === OWN.uid ? OWN : undefined,
    standardForm: (address) => internalAddress(address.includes("@") ? address : `${address}@example.com`),
    route: (_, recipient) => ({
      is: "route",
      class: "local",
      transport: recipient.endsWith("@example.com") ? "local" : "smtp",
      nexthop: "example.com",
      recipient: internalAddress(recipient),
    }),
    agents: options.agents ?? (() => undefined),
    environment: () => undefined,
    log,
    cleanup,
    newId: countedIds("F"),
    now: Date.now,
  });
  const deliver = async (
    to: string,
    more: Partial<Recipient> = {},
    envelope: Partial<Envelope> = {},
    body = BODY,
  ): Promise<string[]> => {
    const address = internalAddress(to);
    const recipient = { address, original: address, notify: 0, ...more };
    const job: DeliveryJob = {
      envelope: {
        id: "ID1" as QueueId,
        arrival: Date.now(),
        sender: internalAddress("s@example.org"),
        recipients: [recipient],
        origin: { clientAddress: "192.0.2.1", clientName: "c.example", helo: "c$x", protocol: "ESMTP" },
        ...envelope,
      },
      recipients: [{ index: 0, recipient }],
      transport: "local",
      nexthop: "example.com",
      content: contentOf(body),
    };
    const report = await agent.deliver(job, new AbortController().signal);
    return report.outcomes.flatMap((outcome) => lines(address, outcome));
  };
  return { deliver, cleanup, log };
}

/** `is address status text` of each line that would be logged; the state of the recipient in front where it is expanded. */
function lines(address: string, outcome: Outcome): string[] {
  const one = (to: string, { is, detail }: Outcome) => `${is} ${to} ${detail.status} ${detail.text}`;
  if (outcome.parts === undefined) return [one(address, outcome)];
  return [`(${outcome.is})`, ...outcome.parts.map((part) => one(part.address, part.outcome))];
}

const read = (path: string) => fs.readFileSync(path, "latin1");
const undated = (text: string) => text.replace(/^(From \S+) {2}.*$/m, "$1  DATE");

test("a mailbox gets From_, Return-Path, X-Original-To, Delivered-To, quoted From lines and an empty line", async () => {
  const { deliver } = rig();
  expect(await deliver("alice+ext@example.com", { original: internalAddress("Alias@example.com") })).toEqual([
    "sent alice+ext@example.com 2.0.0 delivered to mailbox",
  ]);
  expect(undated(read(`${root}/mail/alice`))).toBe(
    "From s@example.org  DATE\nReturn-Path: <s@example.org>\nX-Original-To: Alias@example.com\n" +
      "Delivered-To: alice+ext@example.com\nReceived: from client\n\tby here\nSubject: test\n\n" +
      "hello\n>From me\n.dot\n\n",
  );
  expect(fs.statSync(`${root}/mail/alice`).mode & 0o777).toBe(0o600);
  expect(fs.existsSync(`${root}/mail/alice.lock`)).toBe(false);
});

test("two messages follow each other; the null sender is MAILER-DAEMON in From_", async () => {
  const { deliver } = rig();
  await deliver("alice@example.com", {}, { sender: internalAddress("") });
  await deliver("ALICE@example.com");
  const text = read(`${root}/mail/alice`);
  expect(text).toStartWith("From MAILER-DAEMON  ");
  expect(text).toContain("\nReturn-Path: <>\n");
  expect(text.match(/^From /gm)).toHaveLength(2);
  expect(text).toContain("\n\nFrom s@example.org  ");
});

test("many deliveries at a time to one mailbox stay whole", async () => {
  const { deliver } = rig();
  await Promise.all(Array.from({ length: 30 }, () => deliver("alice@example.com")));
  const messages = read(`${root}/mail/alice`).split(/^From s@/m).slice(1);
  expect(messages).toHaveLength(30);
  expect(new Set(messages.map((message) => message.slice(message.indexOf("\n")))).size).toBe(1);
});

test("a maildir gets the message without From_ under a name of its own", async () => {
  const { deliver } = rig({ settings: { home_mailbox: "Maildir/" } });
  expect(await deliver("alice@example.com")).toEqual(["sent alice@example.com 2.0.0 delivered to maildir"]);
  await deliver("alice@example.com");
  const names = fs.readdirSync(`${root}/home/Maildir/new`);
  expect(names).toHaveLength(2);
  for (const name of names) {
    expect(name).toMatch(/^\d{10}\.V[0-9a-f]+I[0-9a-f]+M\d{1,6}\.mail\.example\.com$/);
  }
  expect(fs.readdirSync(`${root}/home/Maildir/tmp`)).toEqual([]);
  expect(read(`${root}/home/Maildir/new/${names[0]}`)).toBe(
    "Return-Path: <s@example.org>\nX-Original-To: alice@example.com\nDelivered-To: alice@example.com\n" +
      "Received: from client\n\tby here\nSubject: test\n\nhello\nFrom me\n.dot\n",
  );
});

test("home_mailbox names a file below the home directory", async () => {
  const { deliver } = rig({ settings: { home_mailbox: "Mailbox" } });
  await deliver("alice@example.com");
  expect(read(`${root}/home/Mailbox`)).toStartWith("From s@example.org");
});

test("who is neither alias nor user is unknown", async () => {
  const { deliver, log } = rig();
  expect(await deliver("nobody+x@example.com")).toEqual([
    'bounced nobody+x@example.com 5.1.1 unknown user: "nobody"',
  ]);
  expect(await deliver("postmaster@example.com")).toEqual([
    "sent postmaster@example.com 2.0.0 discarded",
  ]);
  expect(log.lines).toEqual(["local: warning: required alias not found: postmaster"]);
});

test("an alias to a user delivers there, and says where the mail was sent first", async () => {
  const { deliver } = rig({ aliases: { list: "alice, bob", one: "list" } });
  expect(await deliver("one@example.com")).toEqual([
    "(sent)",
    "sent alice@example.com 2.0.0 delivered to mailbox",
    "sent bob@example.com 2.0.0 delivered to mailbox",
  ]);
  expect(read(`${root}/mail/bob`)).toContain("Delivered-To: one@example.com\n");
  expect(read(`${root}/mail/bob`)).toContain("X-Original-To: one@example.com\n");
});

test("frozen_delivered_to = no shows the last alias", async () => {
  const { deliver } = rig({
    aliases: { list: "second", second: "bob" },
    settings: { frozen_delivered_to: false },
  });
  await deliver("list@example.com");
  expect(read(`${root}/mail/bob`)).toContain("Delivered-To: second@example.com\n");
});

test("nobody gets a message twice", async () => {
  const { deliver } = rig({ aliases: { list: "alice, alice, two", two: "alice" } });
  expect(await deliver("list@example.com")).toEqual([
    "(sent)",
    "sent alice@example.com 2.0.0 delivered to mailbox",
  ]);
});

test("members elsewhere get new mail, submitted with the original sender and recipient", async () => {
  const { deliver, cleanup } = rig({ aliases: { list: "x@else.example, y@else.example, alice" } });
  expect(await deliver("list@example.com", { notify: 6, orcpt: "rfc822;o@x" }, { envid: "E1" })).toEqual([
    "(sent)",
    "sent alice@example.com 2.0.0 delivered to mailbox",
    "sent list@example.com 2.0.0 forwarded as F1",
  ]);
  const { submission, text } = cleanup.submitted[0]!;
  expect(submission).toMatchObject({
    sender: "s@example.org",
    envid: "E1",
    recipients: [
      { address: "x@else.example", original: "list@example.com", orcpt: "rfc822;o@x", notify: 4 },
      { address: "y@else.example", original: "list@example.com", orcpt: "rfc822;o@x", notify: 4 },
    ],
  });
  expect(text).toMatch(
    /^Received: by mail\.example\.com \(Postfix\)\r\n\tid F1; .*\r\nDelivered-To: list@example\.com\r\nReceived: from client\r\n/,
  );
  expect(text.endsWith(BODY)).toBe(true);
});

test("a list with an owner sends everything on in the owner's name", async () => {
  const { deliver, cleanup } = rig({ aliases: { list: "alice, x@else.example", "owner-list": "bob" } });
  expect(await deliver("list@example.com")).toEqual([
    "(sent)",
    "sent list@example.com 2.0.0 forwarded as F1",
  ]);
  expect(cleanup.submitted[0]!.submission).toMatchObject({
    sender: "owner-list@example.com",
    recipients: [
      { address: "alice@example.com", original: "alice@example.com" },
      { address: "x@else.example" },
    ],
  });
});

test("a list whose owner cannot be looked up waits; without owner_request_special nobody looks", async () => {
  const aliases = {
    list: "x@else.example",
    "owner-list": { is: "trouble", retry: true, why: "no server" },
  } as const;
  const { deliver, cleanup } = rig({ aliases });
  expect(await deliver("list@example.com")).toEqual([
    "(deferred)",
    "deferred list@example.com 4.3.0 alias database unavailable",
  ]);
  expect(cleanup.submitted).toEqual([]);
  const plain = rig({ aliases, settings: { owner_request_special: false } });
  await plain.deliver("list@example.com");
  expect(plain.cleanup.submitted).toHaveLength(1);
});

test("expand_owner_alias uses the owner's own address", async () => {
  const { deliver, cleanup } = rig({
    aliases: { list: "x@else.example", "owner-list": "bob" },
    settings: { expand_owner_alias: true },
  });
  await deliver("list@example.com");
  expect<unknown>(cleanup.submitted[0]!.submission.sender).toBe("bob@example.com");
});

test("forwarding that is refused for now is tried again, for good it bounces", async () => {
  const { deliver, cleanup } = rig({ aliases: { list: "x@else.example" } });
  cleanup.refuse = () => ({ code: 452, status: "4.3.1", lines: ["Insufficient system storage"] });
  expect(await deliver("list@example.com")).toEqual([
    "(deferred)",
    "deferred list@example.com 4.3.1 unable to forward message: Insufficient system storage",
  ]);
  cleanup.refuse = () => ({ code: 554, status: "5.4.0", lines: ["too many hops"] });
  expect(await deliver("list@example.com")).toEqual([
    "(bounced)",
    "bounced list@example.com 5.4.0 unable to forward message: too many hops",
  ]);
});

test("nothing is forwarded as long as a delivery here has to be tried again: members elsewhere would get a copy each time", async () => {
  const { deliver, cleanup } = rig({
    aliases: { list: 'x@else.example, "|exit 75"', other: 'x@else.example, "|exit 67"' },
  });
  const [state, ...parts] = await deliver("list@example.com");
  expect([state, parts.length]).toEqual(["(deferred)", 1]);
  expect(cleanup.submitted).toEqual([]);
  await deliver("other@example.com");
  expect(cleanup.submitted).toHaveLength(1);
});

test("aliases that name each other are a loop; one that names itself is the mailbox", async () => {
  const { deliver, log } = rig({ aliases: { loop1: "loop2", loop2: "loop1", alice: "alice", self: "self" } });
  expect(await deliver("loop1@example.com")).toEqual([
    "(bounced)",
    "bounced loop2@example.com 5.4.6 alias database loop for loop2",
  ]);
  expect(log.lines).toEqual(["local: warning: alias database loop for loop2"]);
  expect((await deliver("alice@example.com"))[1]).toBe("sent alice@example.com 2.0.0 delivered to mailbox");
  expect((await deliver("self@example.com"))[1]).toBe('bounced self@example.com 5.1.1 unknown user: "self"');
});

test("an alias that doubles at every step ends", async () => {
  const aliases: Record<string, string> = { a60: "alice" };
  for (let i = 0; i < 60; i++) aliases[`a${i}`] = `a${i + 1}, a${i + 1}`;
  const { deliver } = rig({ aliases });
  expect((await deliver("a0@example.com"))[0]).toBe("(bounced)");
});

test("mail that has been delivered to the address before is a loop", async () => {
  const { deliver } = rig({ aliases: { list: "alice" } });
  const body = `delivered-to:  Alice@example.com\r\n${BODY}`;
  expect(await deliver("alice@example.com", {}, {}, body)).toEqual([
    "bounced alice@example.com 5.4.6 mail forwarding loop for alice@example.com",
  ]);
  expect(await deliver("list@example.com", {}, {}, body)).toEqual([
    "(bounced)",
    "bounced alice@example.com 5.4.6 mail forwarding loop for alice@example.com",
  ]);
});

test("a table in trouble defers", async () => {
  const { deliver } = rig({ aliases: { x: { is: "trouble", retry: true, why: "no server" } } });
  expect(await deliver("x@example.com")).toEqual(["deferred x@example.com 4.3.0 alias database unavailable"]);
});

test("the alias with the extension goes before the one without", async () => {
  const { deliver } = rig({ aliases: { "list+a": "alice", list: "bob" } });
  expect((await deliver("list+a@example.com"))[1]).toStartWith("sent alice@");
  expect((await deliver("list+b@example.com"))[1]).toStartWith("sent bob@");
});

test("propagate_unmatched_extensions hands the extension on", async () => {
  const { deliver } = rig({
    aliases: { list: "alice" },
    settings: { propagate_unmatched_extensions: "alias" },
  });
  expect((await deliver("list+b@example.com"))[1]).toStartWith("sent alice+b@example.com");
});

test("commands get the message on standard input, and their exit decides", async () => {
  const { deliver } = rig({
    aliases: {
      cat: `"|cat > ${root}/out"`,
      plain: "|/bin/true",
      noprog: "|/nonexistent/prog",
      fail: '"|exit 67"',
      one: '"|exit 1"',
      temp: '"|echo hi; exit 75"',
      own: '"|echo 5.2.2 over there; exit 1"',
      kill: '"|kill -9 $$"',
      ignore: '"|exit 0"',
      stdin: `"|cat /dev/stdin > ${root}/out2"`,
    },
  });
  const said = async (name: string) => (await deliver(`${name}@example.com`))[1]!.replace(root, "");
  expect(await said("cat")).toBe("sent cat@example.com 2.0.0 delivered to command: cat > /out");
  expect(undated(read(`${root}/out`))).toBe(
    "From s@example.org  DATE\nReturn-Path: <s@example.org>\nX-Original-To: cat@example.com\n" +
      "Delivered-To: cat@example.com\n" + BODY.replaceAll("\r\n", "\n"),
  );
  expect(await said("plain")).toBe("sent plain@example.com 2.0.0 delivered to command: /bin/true");
  expect(await said("noprog")).toBe(
    "deferred noprog@example.com 4.3.0 temporary failure. Command output: local: fatal: execvp /nonexistent/prog: No such file or directory",
  );
  expect(await said("fail")).toBe("bounced fail@example.com 5.1.1 user unknown");
  expect(await said("one")).toBe('bounced one@example.com 5.3.0 Command died with status 1: "exit 1"');
  expect(await said("temp")).toBe("deferred temp@example.com 4.3.0 temporary failure. Command output: hi ");
  expect(await said("own")).toBe("bounced own@example.com 5.2.2 over there ");
  expect(await said("kill")).toBe('deferred kill@example.com 4.3.0 Command died with signal 9: "kill -9 $$"');
  expect(await said("ignore")).toBe("sent ignore@example.com 2.0.0 delivered to command: exit 0");
  expect(await said("stdin")).toContain("delivered to command");
  expect(read(`${root}/out2`)).toContain("\nhello\n");
});

test("a command that takes too long is killed", async () => {
  const { deliver } = rig({ aliases: { slow: '"|sleep 20"' }, settings: { command_time_limit: 0.2 } });
  expect((await deliver("slow@example.com"))[1]).toBe(
    'bounced slow@example.com 5.3.0 Command time limit exceeded: "sleep 20"',
  );
});

test("a command sees who it is for, and nothing that a sender could smuggle in", async () => {
  const { deliver } = rig({ aliases: { env: `"|env > ${root}/env; pwd > ${root}/pwd"` } });
  await deliver("env+a@example.com");
  const environment = read(`${root}/env`).split("\n");
  for (
    const line of [
      "SENDER=s@example.org",
      "RECIPIENT=env+a@example.com",
      "ORIGINAL_RECIPIENT=env+a@example.com",
      "LOCAL=env+a",
      "EXTENSION=a",
      "USER=env",
      "LOGNAME=env",
      "DOMAIN=example.com",
      "CLIENT_HELO=c_x",
      "CLIENT_ADDRESS=192.0.2.1",
      "LANG=C",
      "PATH=/usr/bin:/bin",
    ]
  ) expect(environment).toContain(line);
  expect(read(`${root}/pwd`)).toBe(`${fs.realpathSync(root)}\n`);
});

test("mailbox_command replaces the mailbox; mailbox_transport hands over to another agent", async () => {
  const command = rig({
    settings: { mailbox_command: `cat > ${root}/box; echo "$HOME $SHELL" >> ${root}/box` },
  });
  expect((await command.deliver("alice@example.com"))[0]).toContain("delivered to command: cat >");
  expect(read(`${root}/box`)).toEndWith(`.dot\n${root}/home /bin/sh\n`);
  const jobs: DeliveryJob[] = [];
  const lmtp: Agent = {
    program: "lmtp",
    deliver(job) {
      jobs.push(job);
      const detail = { status: "2.1.5", text: "250 ok", action: "delivered" } as const;
      return Promise.resolve({
        outcomes: [{ is: "sent", relay: "h[private/lmtp]", detail }],
        setup: 0,
        transmission: 0,
      });
    },
    close: async () => {},
  };
  const handed = rig({
    settings: { mailbox_transport: "lmtp:unix:private/lmtp" },
    agents: (name) => name === "lmtp" ? lmtp : undefined,
  });
  expect(await handed.deliver("alice@example.com")).toEqual([
    "(sent)",
    "sent alice@example.com 2.1.5 250 ok",
  ]);
  expect(jobs[0]).toMatchObject({ transport: "lmtp", nexthop: "unix:private/lmtp" });
  const missing = rig({ userMaps: { alice: "gone:" } });
  expect(await missing.deliver("alice@example.com")).toEqual([
    "deferred alice@example.com 4.3.0 mail transport unavailable",
  ]);
});

test("fallback_transport and luser_relay take unknown users", async () => {
  const relay = rig({ settings: { luser_relay: "bob+$local" } });
  expect(await relay.deliver("who@example.com")).toEqual([
    "(sent)",
    "sent bob+who@example.com 2.0.0 delivered to mailbox",
  ]);
  const away = rig({ settings: { luser_relay: "$user@else.example" } });
  expect(await away.deliver("who+x@example.com")).toEqual([
    "(sent)",
    "sent who+x@example.com 2.0.0 forwarded as F1",
  ]);
  expect<unknown>(away.cleanup.submitted[0]!.submission.recipients[0]!.address).toBe("who@else.example");
  const fallback = rig({ settings: { fallback_transport: "nosuch:x" } });
  expect(await fallback.deliver("who@example.com")).toEqual([
    "deferred who@example.com 4.3.0 mail transport unavailable",
  ]);
});

test("files get the message, restricted kinds are refused", async () => {
  const { deliver } = rig({
    aliases: {
      file: `${root}/some file`.replace(/^.*$/, '"$&"'),
      dir: `${root}/md/`,
      null: "/dev/null",
      bad: `${root}/no/x`,
    },
  });
  expect((await deliver("file@example.com"))[1]).toBe(
    `sent file@example.com 2.0.0 delivered to file: ${root}/some file`,
  );
  expect(read(`${root}/some file`)).toEndWith(".dot\n\n");
  expect((await deliver("dir@example.com"))[1]).toBe("sent dir@example.com 2.0.0 delivered to maildir");
  expect((await deliver("null@example.com"))[1]).toBe(
    "sent null@example.com 2.0.0 delivered to file: /dev/null",
  );
  expect((await deliver("bad@example.com"))[1]).toBe(
    `bounced bad@example.com 5.2.0 cannot append message to file ${root}/no/x: cannot create file exclusively: No such file or directory`,
  );
  const strict = rig({
    aliases: { file: `${root}/x`, command: "|/bin/true" },
    settings: { allow_mail_to_files: "", allow_mail_to_commands: "forward" },
  });
  expect((await strict.deliver("file@example.com"))[1]).toBe(
    "bounced file@example.com 5.7.1 mail to file is restricted",
  );
  expect((await strict.deliver("command@example.com"))[1]).toBe(
    "bounced command@example.com 5.7.1 mail to command is restricted",
  );
});

test(":include: files are read and their members get new mail", async () => {
  fs.writeFileSync(`${root}/list`, "# members\nalice, bob\nx@else.example\n");
  const { deliver, cleanup, log } = rig({
    aliases: { list: `:include:${root}/list`, gone: `:include:${root}/gone`, rel: ":include:list" },
  });
  expect(await deliver("list@example.com")).toEqual([
    "(sent)",
    "sent list@example.com 2.0.0 forwarded as F1",
  ]);
  expect<unknown>(cleanup.submitted[0]!.submission.recipients.map(({ address }) => address)).toEqual([
    "alice@example.com",
    "bob@example.com",
    "x@else.example",
  ]);
  expect((await deliver("gone@example.com"))[1]).toBe(
    "bounced gone@example.com 5.3.5 mail system configuration error",
  );
  expect((await deliver("rel@example.com"))[1]).toBe(
    "bounced rel@example.com 5.3.5 mail system configuration error",
  );
  expect(log.lines).toEqual([
    `local: warning: unable to lookup :include: file ${root}/gone: No such file or directory`,
    "local: warning: :include:list uses a relative path",
  ]);
});

test("a .forward file replaces the mailbox, and may name it", async () => {
  fs.writeFileSync(`${root}/home/.forward`, `\\alice, x@else.example\n"|cat > ${root}/fwd"\n`);
  fs.writeFileSync(`${root}/home/.forward+lists`, "bob\n");
  const { deliver, cleanup } = rig();
  expect((await deliver("alice@example.com")).map((line) => line.replaceAll(root, ""))).toEqual([
    "(sent)",
    "sent alice@example.com 2.0.0 delivered to mailbox",
    "sent alice@example.com 2.0.0 delivered to command: cat > /fwd",
    "sent alice@example.com 2.0.0 forwarded as F1",
  ]);
  expect<unknown>(cleanup.submitted[0]!.submission.recipients[0]!.address).toBe("x@else.example");
  expect((await deliver("alice+lists@example.com"))[1]).toBe(
    "sent bob@example.com 2.0.0 delivered to mailbox",
  );
  fs.writeFileSync(`${root}/home/.forward`, "alice\n");
  expect((await deliver("alice@example.com"))[1]).toBe("sent alice@example.com 2.0.0 delivered to mailbox");
});

test("a mailbox that cannot be written says why", async () => {
  const { deliver } = rig({ settings: { mailbox_size_limit: 250 } });
  fs.writeFileSync(`${root}/mail/alice`, "x".repeat(240));
  expect(await deliver("alice@example.com")).toEqual([
    `bounced alice@example.com 5.2.2 cannot update mailbox ${root}/mail/alice for user alice. error writing message: File too large`,
  ]);
  expect(read(`${root}/mail/alice`)).toHaveLength(240);
  fs.rmSync(`${root}/mail/alice`);
  fs.writeFileSync(`${root}/mail/alice.lock`, "");
  expect(await deliver("alice@example.com")).toEqual([
    `deferred alice@example.com 4.2.0 cannot update mailbox ${root}/mail/alice for user alice. unable to create lock file ${root}/mail/alice.lock: File exists`,
  ]);
  fs.utimesSync(`${root}/mail/alice.lock`, 1, 1);
  expect(await deliver("alice@example.com")).toEqual(["sent alice@example.com 2.0.0 delivered to mailbox"]);
  fs.mkdirSync(`${root}/mail/bob`);
  expect(await deliver("bob@example.com")).toEqual([
    `bounced bob@example.com 5.2.0 cannot update mailbox ${root}/mail/bob for user bob. cannot open file: Is a directory`,
  ]);
  fs.rmSync(`${root}/mail`, { recursive: true });
  expect(await deliver("bob@example.com")).toEqual([
    `bounced bob@example.com 5.2.0 cannot update mailbox ${root}/mail/bob for user bob. unable to create lock file ${root}/mail/bob.lock: No such file or directory`,
  ]);
});

test("without root's rights the spool directory serves all users, anything else of theirs is deferred and says so", async () => {
  const { deliver } = rig({
    own: { uid: 99998, gid: 99998 },
    defaultPrivs: { uid: 54321, gid: 54321 },
    aliases: { cmd: "|/bin/true", webmaster: `${root}/mail/webmaster`, deep: `${root}/mail/../x` },
  });
  fs.chmodSync(root, 0o755);
  fs.chmodSync(`${root}/mail`, 0o777);
  expect((await deliver("webmaster@example.com"))[1]).toContain("delivered to file");
  expect((await deliver("deep@example.com"))[1]).toContain("runs without root");
  expect((await deliver("cmd@example.com"))[1]).toBe(
    'deferred cmd@example.com 4.3.0 cannot run command "/bin/true": this needs the rights of uid 54321, but the mail system runs without root as uid 99998',
  );
  expect(await deliver("stranger@example.com")).toEqual([
    "sent stranger@example.com 2.0.0 delivered to mailbox",
  ]);
  const home = rig({ own: { uid: 99998, gid: 99998 }, settings: { home_mailbox: "Maildir/" } });
  expect(await home.deliver("stranger@example.com")).toEqual([
    "deferred stranger@example.com 4.3.0 maildir delivery failed: this needs the rights of uid 54321, but the mail system runs without root as uid 99998",
  ]);
});

test("a probe learns what would happen and delivers nothing", async () => {
  const { deliver } = rig({ aliases: { list: "alice" } });
  expect(await deliver("alice@example.com", {}, { kind: "probe" })).toEqual([
    "sent alice@example.com 2.0.0 delivers to mailbox",
  ]);
  expect((await deliver("list@example.com", {}, { kind: "probe" })).at(-1)).toBe(
    "sent list@example.com 2.0.0 aliased to alice",
  );
  expect(fs.readdirSync(`${root}/mail`)).toEqual([]);
});

test("a probe is never turned into mail: whoever it would be forwarded to gets nothing", async () => {
  const relay = rig({ settings: { luser_relay: "$local@else.example" } });
  expect((await relay.deliver("nobody@example.com", {}, { kind: "probe" })).at(-1)).toBe(
    "sent nobody@else.example 2.0.0 forwards to nobody@else.example",
  );
  expect(relay.cleanup.submitted).toEqual([]);
  fs.writeFileSync(`${root}/home/.forward`, "x@else.example\n");
  const forward = rig();
  await forward.deliver("alice@example.com", {}, { kind: "probe" });
  expect(forward.cleanup.submitted).toEqual([]);
});
