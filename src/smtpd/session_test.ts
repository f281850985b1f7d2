import { expect, test } from "bun:test";
import fc from "fast-check";
import { PASS } from "../access/policy.ts";
import { settle } from "../../test/kit/memory/fake_clock.ts";
import { memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import { createCleanup } from "../cleanup/create_cleanup.ts";
import { QueueFault } from "../queue/store.ts";
import type { ClientName } from "../dns/reverse.ts";
import { NAMELESS } from "./session_facts.ts";

const SESSION = [
  "EHLO client.example.org\r\n",
  "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n",
  "Subject: x\r\nBcc: y\r\n\r\n..dot\r\nbare\nlf\r\n.\nx\r\n.\r\n",
  "MAIL FROM:<c@example.org>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<no@elsewhere.example>\r\n",
  "BDAT 12\r\nSubject: y\r\nBDAT 9 LAST\r\n\r\nhello\r\n",
  "FOO\r\nRSET\r\nQUIT\r\n",
].join("");

async function talk(cuts: readonly number[]) {
  const house = memorySmtpd({ smtpd_error_sleep_time: "0" });
  const connection = house.connect();
  await settle();
  const bytes = Buffer.from(SESSION, "latin1");
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i++) {
    connection.send(bytes.subarray(edges[i - 1], edges[i]));
    if (i % 3 === 0) await settle();
  }
  for (let i = 0; i < 5; i++) await settle();
  const messages = [...house.store.messages.values()].map(({ bytes, envelope: { sender, recipients } }) => ({
    text: Buffer.from(bytes).toString("latin1"),
    sender,
    recipients: recipients.map(({ address }) => address),
  }));
  return { replies: connection.read(), messages, closed: connection.closed };
}

test("however a session is cut into packets, replies and messages are the same", async () => {
  const whole = await talk([]);
  expect(whole.closed).toBe(true);
  expect<unknown>(whole.messages.map(({ sender }) => sender)).toEqual(["a@example.org", "c@example.org"]);
  expect(whole.messages[0]!.text).toEndWith("Subject: x\r\n\r\n.dot\r\nbare\r\nlf\r\nx\r\n");
  expect(whole.messages[1]!.text).toEndWith("Subject: y\r\n\r\nhello\r\n");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(SESSION.length), { maxLength: 12 }), async (cuts) => {
      expect(await talk(cuts)).toEqual(whole);
    }),
    { numRuns: 40 },
  );
  const everyByte = Array.from({ length: SESSION.length - 1 }, (_, i) => i + 1);
  expect(await talk(everyByte)).toEqual(whole);
}, 60_000);

test("replies to a group of commands leave in one write", async () => {
  const connection = memorySmtpd().connect();
  await settle();
  connection.send("EHLO x\r\n");
  await settle();
  const before = connection.writes;
  connection.send(
    "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\nDATA\r\n",
  );
  expect(connection.writes).toBe(before + 1);
});

test("while a check waits, commands queue up, the socket is paused, and the order is kept", async () => {
  let release = () => {};
  const house = memorySmtpd({}, {
    access: {
      open: () => ({
        check: (stage) => stage === "MAIL" ? new Promise((resolve) => (release = () => resolve(PASS))) : PASS,
        spf: () => undefined,
      }),
      acceptsAddress: () => true,
      headerContext: () => ({ is: "remote" }),
      problems: [],
      close: () => {},
    },
  });
  const connection = house.connect();
  await settle();
  connection.read();
  connection.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n");
  connection.send(`NOOP ${"x".repeat(40_000)}\r\n`);
  expect(connection.paused).toBe(false);
  connection.send(`NOOP ${"x".repeat(40_000)}\r\n`);
  expect(connection.paused).toBe(true);
  await settle();
  expect(connection.read()).toBe("");
  release();
  await settle();
  expect(connection.read()).toBe("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
  expect(connection.paused).toBe(false);
});

test("a client that does not read its replies is not read either", async () => {
  const house = memorySmtpd();
  let full = false;
  let written = "";
  const handler = house.smtpd.accept({
    local: { address: "127.0.0.1", port: 25 },
    remote: { address: "192.0.2.1", port: 1 },
    write: (text: string) => (written += text, !full),
    setTimeout: () => {},
    pause: () => {},
    resume: () => {},
    end: () => {},
    destroy: () => {},
  } as never);
  await settle();
  full = true;
  handler.data(Buffer.from("NOOP\r\n"));
  handler.data(Buffer.from("NOOP\r\n"));
  expect(written).toEndWith("mta\r\n250 2.0.0 Ok\r\n");
  full = false;
  handler.drain();
  expect(written).toEndWith("250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
});

async function reply(house: ReturnType<typeof memorySmtpd>, ...lines: readonly string[]): Promise<string> {
  const connection = house.connect();
  await settle();
  for (const line of lines) {
    connection.read();
    connection.send(`${line}\r\n`);
    await settle();
  }
  return connection.read();
}

/** A reload: nobody waits for its end. */
const NO_HURRY = new AbortController().signal;
const MESSAGE = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.com>", "DATA", "Subject: x\r\n\r\nx\r\n."];

for (
  const [name, fault, wanted] of [
    [
      "a full disk",
      new QueueFault("store", "no space", { kind: "full" }),
      "452 4.3.1 Insufficient system storage\r\n",
    ],
    ["a broken disk", new QueueFault("store", "I/O error"), "451 4.3.0 Error: queue file write error\r\n"],
    ["a bug", new TypeError("x"), "451 4.3.0 Error: queue file write error\r\n"],
  ] as const
) {
  test(`${name} at commit is answered for now, and the session goes on`, async () => {
    const real = memorySmtpd();
    const { settings } = real.configuration.services[0]!;
    const cleanup = createCleanup({
      settings,
      log: real.log,
      rewriter: rewriterStub,
      store: {
        draft: (id) => ({
          id,
          size: 0,
          write: () => {},
          restart: () => {},
          async *read() {},
          commit: () => Promise.reject(fault),
          abort: () => {},
        }),
      },
    });
    const house = memorySmtpd({}, { cleanup });
    expect(await reply(house, ...MESSAGE)).toBe(wanted);
    expect(await reply(house, ...MESSAGE, "NOOP")).toBe("250 2.0.0 Ok\r\n");
  });
}

const rewriterStub = {
  standardForm: (address: string) => address,
  envelopeSender: (address: string) => address,
  envelopeRecipient: (address: string) => address,
  header: (_role: string, address: string) => address,
  rewritesHeaders: () => false,
  expandRecipients: (_sender: string, recipients: readonly never[]) => ({
    is: "recipients" as const,
    recipients,
    expanded: [],
  }),
  find: () => {
    throw new Error("not asked");
  },
} as never;

test("a fault inside a command answers 421, is logged, and hurts nobody else", async () => {
  const house = memorySmtpd({}, {
    newId: () => {
      throw new Error("no id");
    },
  });
  const bad = house.connect();
  const good = house.connect();
  await settle();
  for (const each of [bad, good]) each.read();
  expect(() => bad.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n")).not.toThrow();
  await settle();
  expect(bad.read()).toEndWith("421 4.3.0 mail.example.com Error: internal trouble, try again later\r\n");
  expect(bad.closed).toBe(true);
  expect(house.log.lines).toContain("smtpd: error: session failed: no id");
  good.send("NOOP\r\n");
  expect(good.read()).toBe("250 2.0.0 Ok\r\n");
});

test("past the process limit connections wait for a slot; a room that is full takes no more", async () => {
  const house = memorySmtpd({}, { processLimit: "2" });
  const [first, second, third] = [house.connect(), house.connect(), house.connect()];
  await settle();
  expect(first.read()).toStartWith("220 ");
  expect(second.read()).toStartWith("220 ");
  expect(third.read()).toBe("");
  third.send("QUIT\r\n");
  expect([house.smtpd.sessions, house.smtpd.waiting]).toEqual([2, 1]);
  first.send("QUIT\r\n");
  await settle();
  expect(third.read()).toMatch(/^220 .*\r\n221 2.0.0 Bye\r\n$/);
  const crowd = Array.from({ length: 1_100 }, () => house.connect());
  await settle();
  expect(house.smtpd.waiting).toBe(1_000);
  expect(crowd.filter(({ closed }) => closed).length).toBeGreaterThan(90);
});

test("a waiting connection that hangs up leaves the room without a line in the log", async () => {
  const house = memorySmtpd({}, { processLimit: "1" });
  house.connect();
  const waiting = house.connect();
  await settle();
  waiting.end();
  waiting.handler.close(undefined);
  expect(house.smtpd.waiting).toBe(0);
  expect(house.log.lines.filter((line) => line.includes("connect from"))).toHaveLength(1);
});

test("while others wait for a slot, the strangers that were idle longest give theirs up after the stress limit, nobody in content does", async () => {
  const house = memorySmtpd(
    { mynetworks: "127.0.0.7", smtpd_timeout: "${stress?{10}:{300}}s" },
    { processLimit: "4" },
  );
  const say = async (client: ReturnType<typeof house.connect>, ...lines: string[]) => {
    for (const line of lines) client.send(`${line}\r\n`);
    await settle();
  };
  const trusted = house.connect("127.0.0.7");
  const [idle, busy, dripping] = [house.connect(), house.connect(), house.connect()];
  await settle();
  await say(busy, ...MESSAGE.slice(0, 3));
  for (const each of [idle, busy, dripping, trusted]) each.read();
  await house.clock.advance(6000);
  const next = house.connect();
  await say(dripping, "NOOP");
  await house.clock.advance(3900);
  // Not before somebody else would have been told to go under stress.
  expect([idle.closed, next.read()]).toEqual([false, ""]);
  await house.clock.advance(100);
  expect(idle.read()).toBe("421 4.4.2 mail.example.com Error: timeout exceeded\r\n");
  expect(idle.closed).toBe(true);
  expect(next.read()).toStartWith("220 ");
  // A NOOP now and then keeps nobody's slot; a message that comes does, and so does trust.
  const last = house.connect();
  await settle();
  expect(dripping.read()).toContain("421 4.4.2 ");
  expect(last.read()).toStartWith("220 ");
  await house.clock.advance(60_000);
  expect([busy.closed, trusted.closed, next.closed, last.closed]).toEqual([false, false, false, false]);
  expect(house.log.lines.filter((line) => line.includes("timeout after CONNECT"))).toHaveLength(1);
});

test("stop() lets a message end, sends the others away, and drained() resolves", async () => {
  const house = memorySmtpd();
  const [idle, busy] = [house.connect(), house.connect()];
  await settle();
  for (const line of MESSAGE.slice(0, 3)) busy.send(`${line}\r\n`);
  await settle();
  for (const each of [idle, busy]) each.read();
  house.smtpd.stop(NO_HURRY);
  let drained = false;
  void house.smtpd.drained().then(() => (drained = true));
  await settle();
  expect(idle.read()).toStartWith("421 4.3.2 mail.example.com ");
  expect(idle.closed).toBe(true);
  expect([busy.read(), drained]).toEqual(["", false]);
  busy.send(`${MESSAGE[3]}\r\n`);
  await settle();
  expect(busy.read()).toMatch(/^250 2\.0\.0 Ok: queued as \w+\r\n421 4\.3\.2 /);
  expect(drained).toBe(true);
  expect(house.store.messages.size).toBe(1);
  const late = house.connect();
  expect(late.read()).toStartWith("421 4.3.2 mail.example.com ");
  expect(late.closed).toBe(true);
});

test("a client whose name is not found within smtpd_timeout is greeted as one whose name servers do not answer", async () => {
  const main = { smtpd_peername_lookup: "yes", smtpd_timeout: "10s" };
  const restrictions = { smtpd_client_restrictions: "reject_unknown_reverse_client_hostname" };
  const clientLookup = () => new Promise<ClientName>(() => {});
  const house = memorySmtpd({ ...main, ...restrictions }, { clientLookup });
  const client = house.connect();
  await settle();
  expect(client.idleLimit).toBe(10_000);
  client.handler.timeout();
  await house.clock.advance(9_999);
  await settle();
  expect([client.closed, client.read()]).toEqual([false, ""]);
  await house.clock.advance(1);
  await settle();
  expect(client.read()).toStartWith("220 mail.example.com ");
  for (const line of ["HELO a", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.com>"]) {
    client.send(`${line}\r\n`);
    await settle();
  }
  expect(client.read()).toEndWith(
    "450 4.7.1 Client host rejected: cannot find your reverse hostname, [127.0.0.1]\r\n",
  );
  expect(house.log.lines).toContain("smtpd: connect from unknown[127.0.0.1]");
});

test("whoever finds the service full, and the room for those who wait too, hears it", async () => {
  const house = memorySmtpd({}, { processLimit: "1" });
  for (let waiting = 0; waiting <= 1000; waiting++) house.connect();
  await settle();
  expect([house.smtpd.sessions, house.smtpd.waiting]).toEqual([1, 1000]);
  const late = house.connect();
  expect(late.read()).toBe("421 4.3.2 mail.example.com All server ports are busy\r\n");
  expect(late.closed).toBe(true);
  late.handler.close(undefined);
  expect([house.smtpd.sessions, house.smtpd.waiting]).toEqual([1, 1000]);
});

test("stop() tells a client whose name is still looked up to come back", async () => {
  let found = (_: ClientName) => {};
  const clientLookup = () => new Promise<ClientName>((resolve) => (found = resolve));
  const house = memorySmtpd({ smtpd_peername_lookup: "yes" }, { clientLookup });
  const connection = house.connect();
  await settle();
  house.smtpd.stop(NO_HURRY);
  expect(connection.read()).toStartWith("421 4.3.2 mail.example.com ");
  expect(connection.closed).toBe(true);
  found(NAMELESS);
  await settle();
  expect(house.log.lines).toEqual([]);
});

test("stop() during a silent transaction ends it at the next pause, not before", async () => {
  const house = memorySmtpd();
  const connection = house.connect();
  await settle();
  connection.send("MAIL FROM:<a@example.org>\r\n");
  house.smtpd.stop(NO_HURRY);
  connection.read();
  connection.send("RSET\r\n");
  await settle();
  expect(connection.read()).toMatch(/^250 2\.0\.0 Ok\r\n421 4\.3\.2 /);
});

test("stop() in a hurry gives up transactions and commands under way, and waits for content only while it comes", async () => {
  const never = () => new Promise<never>(() => {});
  const house = memorySmtpd({}, {
    access: {
      open: () => ({
        check: (stage, facts) => stage === "RCPT" && facts.recipient === "slow@example.com" ? never() : PASS,
        spf: () => undefined,
      }),
      acceptsAddress: () => true,
      headerContext: () => ({ is: "remote" }),
      problems: [],
      close: () => {},
    },
  });
  const clients = {
    ready: [],
    open: ["MAIL"],
    asking: ["MAIL", "SLOW"],
    moving: ["MAIL", "RCPT", "DATA"],
  } as const;
  const lines = {
    MAIL: "MAIL FROM:<a@example.org>",
    RCPT: "RCPT TO:<b@example.com>",
    SLOW: "RCPT TO:<slow@example.com>",
    DATA: "DATA",
  } as const;
  const open = async (commands: readonly (keyof typeof lines)[]) => {
    const client = house.connect();
    await settle();
    client.send("EHLO x\r\n");
    for (const command of commands) client.send(`${lines[command]}\r\n`);
    await settle();
    client.read();
    return client;
  };
  const givenUp = [await open(clients.ready), await open(clients.open), await open(clients.asking)];
  const [moving, silent] = [await open(clients.moving), await open(clients.moving)];
  house.smtpd.stop(AbortSignal.abort());
  for (const client of givenUp) {
    expect(client.read()).toStartWith("421 4.3.2 mail.example.com Service shutting down");
    expect(client.closed).toBe(true);
  }
  expect([moving.closed, moving.idleLimit, silent.closed, silent.idleLimit]).toEqual([
    false,
    1000,
    false,
    1000,
  ]);
  silent.handler.timeout();
  expect(silent.read()).toStartWith("421 4.3.2 ");
  expect(silent.closed).toBe(true);
  moving.send("S: x\r\n\r\nbody\r\n.\r\n");
  await settle();
  expect(moving.read()).toMatch(/^250 2\.0\.0 Ok: queued as \w+\r\n421 4\.3\.2 /);
  await house.smtpd.drained();
  expect(house.store.messages.size).toBe(1);
  expect(house.log.lines.filter((line) => line.includes("lost connection"))).toEqual([]);
});

test("a client that hangs up while the last check waits gets nothing queued", async () => {
  let release = () => {};
  const house = memorySmtpd({}, {
    access: {
      open: () => ({
        check: (stage) =>
          stage === "END-OF-MESSAGE" ? new Promise((resolve) => (release = () => resolve(PASS))) : PASS,
        spf: () => undefined,
      }),
      acceptsAddress: () => true,
      headerContext: () => ({ is: "remote" }),
      problems: [],
      close: () => {},
    },
  });
  const connection = house.connect();
  await settle();
  for (const line of MESSAGE) connection.send(`${line}\r\n`);
  await settle();
  connection.handler.close(undefined);
  release();
  await settle();
  expect(house.store.messages.size).toBe(0);
  expect(house.log.lines.filter((line) => line.includes("lost connection"))).toEqual([]);
  expect(house.log.lines.at(-1)).toStartWith("smtpd: disconnect from unknown[127.0.0.1]");
});

/** A service that counts the messages it has begun and not ended. */
function countingDrafts(
  overrides: Parameters<typeof memorySmtpd>[1] = {},
  main: Record<string, string> = {},
) {
  const open = new Set<string>();
  const house = memorySmtpd(main, {
    ...overrides,
    cleanup: {
      begin: ({ id }) => {
        open.add(id);
        return {
          size: 0,
          write: () => {},
          commit: () => Promise.resolve({ is: "queued", id, size: 0 }),
          abort: () => void open.delete(id),
        };
      },
    },
  });
  return { house, open };
}

test("a client that hangs up while the check at DATA waits leaves no draft behind", async () => {
  const asked = Promise.withResolvers<typeof PASS>();
  const { house, open } = countingDrafts({
    access: {
      open: () => ({ check: (stage) => stage === "DATA" ? asked.promise : PASS, spf: () => undefined }),
      acceptsAddress: () => true,
      headerContext: () => ({ is: "remote" }),
      problems: [],
      close: () => {},
    },
  });
  const connection = house.connect();
  await settle();
  for (const line of MESSAGE.slice(0, 3)) connection.send(`${line}\r\n`);
  connection.handler.close(undefined);
  asked.resolve(PASS);
  await settle();
  expect(open.size).toBe(0);
});

test("a chunk over the size limit and whatever drops a transaction leave no draft behind", async () => {
  const { house, open } = countingDrafts({}, { message_size_limit: "100" });
  const begin = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n";
  const connection = house.connect();
  await settle();
  connection.send(`EHLO x\r\n${begin}BDAT 101\r\n${"x".repeat(101)}RSET\r\n`);
  for (const end of ["BDAT 101\r\n" + "x".repeat(101), "RSET\r\n", "HELO x\r\n", "BDAT 0\r\n", "QUIT\r\n"]) {
    connection.send(`${begin}BDAT 1\r\nx`);
    await settle();
    expect(open.size).toBe(1);
    connection.send(end);
    await settle();
    expect(open.size).toBe(0);
    connection.send("RSET\r\n");
  }
});

test("content stays with the client while what came before is written, whose memory is given back then", async () => {
  const writes: (() => void)[] = [];
  const house = memorySmtpd({}, {
    cleanup: {
      begin: ({ id }) => ({
        size: 0,
        write: () => new Promise((resolve) => void writes.push(resolve)),
        commit: () => Promise.resolve({ is: "queued", id, size: 0 }),
        abort: () => {},
      }),
    },
  });
  const connection = house.connect();
  await settle();
  const begin = "EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n";
  const chunk = () => Buffer.from(`${"x".repeat(76)}\r\n`.repeat(1000));
  for (const [command, end] of [["DATA", ".\r\n"], ["BDAT 156000 LAST", ""]]) {
    connection.send(`${begin}${command}\r\n`);
    await settle();
    const [first, last] = [chunk(), Buffer.concat([chunk(), Buffer.from(`${end}NOOP\r\n`)])];
    connection.handler.data(first);
    await settle();
    expect([first.length, connection.paused]).toEqual([78_000, true]);
    writes.shift()!();
    await settle();
    expect([first.length, connection.paused]).toEqual([0, false]);
    connection.read();
    connection.handler.data(last);
    await settle();
    writes.shift()!();
    await settle();
    expect(connection.read()).toMatch(/^250 2.0.0 Ok: .*queued as \w+\r\n250 2.0.0 Ok\r\n$/);
  }
});

test("a client that hangs up while the queue writes does not take the message back", async () => {
  const house = memorySmtpd();
  const connection = house.connect();
  await settle();
  for (const line of MESSAGE.slice(0, 3)) connection.send(`${line}\r\n`);
  await settle();
  connection.send(`${MESSAGE[3]}\r\n`);
  connection.handler.close(undefined);
  await settle();
  expect(house.store.messages.size).toBe(1);
});

test("after the soft error limit every reply waits for smtpd_error_sleep_time", async () => {
  const house = memorySmtpd({ smtpd_soft_error_limit: "1", smtpd_error_sleep_time: "3s" });
  const connection = house.connect();
  await settle();
  connection.send("FOO\r\nNOOP\r\nNOOP\r\n");
  await settle();
  expect(connection.read()).toEndWith("500 5.5.2 Error: command not recognized\r\n");
  await house.clock.advance(2_900);
  expect(connection.read()).toBe("");
  await house.clock.advance(200);
  expect(connection.read()).toBe("250 2.0.0 Ok\r\n");
  await house.clock.advance(3_000);
  expect(connection.read()).toBe("250 2.0.0 Ok\r\n");
});

test("an endless line costs no memory and is cut", async () => {
  const house = memorySmtpd({ line_length_limit: "512" });
  const connection = house.connect();
  await settle();
  connection.read();
  connection.send("NOOP ");
  for (let i = 0; i < 100; i++) connection.send("x".repeat(10_000));
  connection.send("\r\nQUIT\r\n");
  await settle();
  expect(connection.read()).toBe("250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n");
  expect(house.log.lines.filter((line) => line.includes("request longer than 512"))).toHaveLength(1);
});

test("connection limits count per client, spare the exceptions, and are given back", async () => {
  const counts = new Map<string, number>();
  const anvil = {
    connect(_service: string, address: string) {
      counts.set(address, (counts.get(address) ?? 0) + 1);
      return { count: counts.get(address)!, rate: 1 };
    },
    disconnect: (_service: string, address: string) => void counts.set(address, counts.get(address)! - 1),
    count: () => 1,
    newTlsRate: () => 0,
  };
  const house = memorySmtpd({ smtpd_client_connection_count_limit: "1", mynetworks: "192.0.2.9" }, { anvil });
  const first = house.connect("192.0.2.1");
  const second = house.connect("192.0.2.1");
  const spared = [house.connect("192.0.2.9"), house.connect("192.0.2.9")];
  await settle();
  expect(first.read()).toStartWith("220 ");
  expect(second.read()).toBe("421 4.7.0 mail.example.com Error: too many connections from 192.0.2.1\r\n");
  expect(second.closed).toBe(true);
  expect(spared.map((each) => each.read().slice(0, 4))).toEqual(["220 ", "220 "]);
  expect(house.log.lines).toContain(
    "smtpd: warning: Connection concurrency limit exceeded: 2 from unknown[192.0.2.1] for service 2525",
  );
  first.send("QUIT\r\n");
  await settle();
  expect(counts).toEqual(new Map([["192.0.2.1", 0]]));
});

test("a client that leaves while its exception is looked up is not counted", async () => {
  const told: string[] = [];
  const anvil = {
    connect: () => (told.push("connect"), { count: 1, rate: 1 }),
    disconnect: () => void told.push("disconnect"),
    count: () => 1,
    newTlsRate: () => 0,
  };
  const asked = Promise.withResolvers<boolean>();
  const listed = () => asked.promise;
  const house = memorySmtpd({ smtpd_client_connection_count_limit: "1" }, { anvil, listed });
  const connection = house.connect("192.0.2.1");
  await settle();
  connection.handler.close(undefined);
  asked.resolve(false);
  await settle();
  expect(told).toEqual([]);
  expect(connection.read()).toBe("");
});

test("clients count by their range of addresses: IPv6 by /84, IPv4 one by one, unless told otherwise", async () => {
  const allowed = async (main: Record<string, string>, addresses: readonly string[]) => {
    const house = memorySmtpd({ smtpd_client_connection_count_limit: "1", inet_protocols: "all", ...main });
    const open = addresses.map((address) => house.connect(address));
    await settle();
    return open.map((each) => each.read().slice(0, 3)).join(" ");
  };
  const v6 = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:0:1000::1", "::ffff:192.0.2.1"];
  expect(await allowed({}, v6)).toBe("220 421 220 220");
  expect(await allowed({ smtpd_client_ipv6_prefix_length: "128" }, v6)).toBe("220 220 220 220");
  expect(await allowed({ smtpd_client_ipv6_prefix_length: "64" }, v6)).toBe("220 421 421 220");
  const v4 = ["192.0.2.1", "192.0.2.2", "192.0.3.1", "192.0.2.1"];
  expect(await allowed({}, v4)).toBe("220 220 220 421");
  expect(await allowed({ smtpd_client_ipv4_prefix_length: "24" }, v4)).toBe("220 421 220 421");
  const house = memorySmtpd({ smtpd_client_connection_rate_limit: "1", inet_protocols: "all" });
  const open = [house.connect("2001:db8::1"), house.connect("2001:db8::2")];
  await settle();
  expect(open[1]!.read()).toBe("421 4.7.0 mail.example.com Error: too many connections from 2001:db8::2\r\n");
});

test("with smtpd_per_request_deadline a command in drops and a message in drops run out of time", async () => {
  const main = { smtpd_per_request_deadline: "yes", smtpd_timeout: "10s", smtpd_min_data_rate: "10" };
  const late = "421 4.4.2 mail.example.com Error: timeout exceeded\r\n";
  const dropped = async (setUp: readonly string[], piece: string) => {
    const house = memorySmtpd(main);
    const connection = house.connect();
    await settle();
    for (const line of setUp) connection.send(`${line}\r\n`);
    await settle();
    connection.read();
    for (let second = 0; second < 30 && !connection.closed; second++) {
      await house.clock.advance(1_000);
      connection.send(piece);
    }
    await settle();
    return connection.read();
  };
  expect(await dropped([], "N")).toBe(late);
  expect(await dropped(MESSAGE.slice(0, 3), "x")).toBe(late);
  expect(await dropped(MESSAGE.slice(0, 3), "x".repeat(20))).toBe("");
  expect(await dropped([], "NOOP\r\n")).toStartWith("250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
});

test("who cannot be told to be one whose mail is signed is put off at MAIL, with a line in the log", async () => {
  const house = memorySmtpd({
    dkim_signing_keys: "inline:{example.org=s:/k}",
    dkim_signing_clients: "check_client_access fail:down, permit",
  });
  const connection = house.connect();
  await settle();
  connection.send("EHLO x\r\nMAIL FROM:<a@example.org>\r\n");
  await settle();
  expect(connection.read()).toContain("\r\n451 4.3.5 ");
  expect(house.log.lines.join("\n")).toContain("smtpd: warning: fail:down lookup error");
});
