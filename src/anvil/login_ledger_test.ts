import { expect, test } from "bun:test";
import { loginAccount } from "./login_account.ts";
import { delayAfter, type LoginBan, LoginLedger } from "./login_ledger.ts";
import { parseBans, printBans } from "./remembered_bans.ts";

const SETTINGS = {
  login_failure_limit: 20,
  login_failure_network_limit: 100,
  login_failure_user_limit: 100,
  login_failure_time_unit: 3600,
  login_ban_time: 3600,
};

function trial(more: Partial<typeof SETTINGS> = {}) {
  let now = 1_000_000_000;
  const told: LoginBan[] = [];
  const ledger = new LoginLedger({ ...SETTINGS, ...more }, () => now, (ban) => void told.push(ban));
  const account = loginAccount((event) => Promise.resolve(ledger.take(event)), {
    prefixLengths: { ipv4: 32, ipv6: 84 },
    realm: "example.com",
  });
  const fail = async (times: number, address: string | ((turn: number) => string), user = "ann") => {
    let last = { refusedFor: 0, delay: 0 };
    for (let turn = 0; turn < times; turn++) {
      last = await account.failed(typeof address === "string" ? address : address(turn), user);
    }
    return last;
  };
  return { ledger, account, fail, told, pass: (seconds: number) => void (now += seconds * 1000) };
}

test("answers to failures are held back longer and longer, up to a limit", () => {
  expect([1, 2, 3, 4, 5, 6, 7, 1000].map(delayAfter)).toEqual([0, 1, 2, 4, 8, 16, 16, 16]);
});

test("an address is refused after its limit, for login_ban_time, and begins anew then", async () => {
  const { account, fail, told, pass } = trial();
  expect(await fail(19, "192.0.2.1")).toMatchObject({ delay: 16 });
  expect(await account.begin("192.0.2.1")).toMatchObject({ refusedFor: 0 });
  await fail(1, "192.0.2.1");
  expect(await account.begin("192.0.2.1")).toMatchObject({ refusedFor: 3600 });
  expect(await account.begin("192.0.2.2")).toMatchObject({ refusedFor: 0 });
  expect(told).toEqual([{ kind: "address", what: "192.0.2.1", failures: 20, until: expect.any(Number) }]);
  pass(3600);
  expect(await account.begin("192.0.2.1")).toMatchObject({ refusedFor: 0 });
  expect(await fail(1, "192.0.2.1")).toMatchObject({ delay: 0 });
});

test("failures count within the time unit, from the first one on", async () => {
  const { account, fail, pass } = trial();
  for (let hour = 0; hour < 10; hour++) {
    await fail(19, "192.0.2.1", `user${hour}`);
    pass(3600);
  }
  expect(await account.begin("192.0.2.1")).toMatchObject({ refusedFor: 0 });
});

test("a network is refused as a whole: an IPv4 /24, an IPv6 /64", async () => {
  const { account, fail } = trial({ login_failure_user_limit: 0 });
  await fail(100, (turn) => `192.0.2.${turn}`);
  expect(await account.begin("192.0.2.200")).toMatchObject({ refusedFor: 3600 });
  expect(await account.begin("192.0.3.1")).toMatchObject({ refusedFor: 0 });
  await fail(100, (turn) => `2001:db8::${turn.toString(16)}:0:0:1`);
  expect(await account.begin("2001:db8::ffff:0:0:1")).toMatchObject({ refusedFor: 3600 });
  expect(await account.begin("2001:db8:0:1::1")).toMatchObject({ refusedFor: 0 });
});

test("a user who is guessed at from everywhere is refused, but not where he has logged in before", async () => {
  const { account, fail, told } = trial();
  expect(await account.passed("203.0.113.7", "ann@example.com")).toMatchObject({ refusedFor: 0 });
  await fail(100, (turn) => `10.0.${turn}.1`, "Ann");
  expect(told).toEqual([
    { kind: "user", what: "ann@example.com", failures: 100, until: expect.any(Number) },
  ]);
  // Right or wrong: a guesser learns nothing.
  expect(await account.passed("10.1.1.1", "ann")).toMatchObject({ refusedFor: 3600 });
  expect(await account.failed("10.1.1.1", "ann")).toMatchObject({ refusedFor: 3600 });
  // Not for having guessed right either.
  expect(await account.passed("10.1.1.1", "ann")).toMatchObject({ refusedFor: 3600 });
  expect(await account.passed("203.0.113.99", "ann")).toMatchObject({ refusedFor: 0 });
  expect(await account.passed("10.1.1.1", "bob")).toMatchObject({ refusedFor: 0 });
});

test("passwords of the known are compared first, of those who failed last", async () => {
  const { account, fail } = trial();
  expect(await account.begin("192.0.2.1")).toMatchObject({ rank: 1 });
  await account.passed("192.0.2.9", "ann");
  expect(await account.begin("192.0.2.1")).toMatchObject({ rank: 0 });
  await fail(1, "192.0.2.1");
  expect(await account.begin("192.0.2.1")).toMatchObject({ rank: 2 });
});

test("a limit of 0 is none", async () => {
  const { account, fail, told } = trial({
    login_failure_limit: 0,
    login_failure_network_limit: 0,
    login_failure_user_limit: 0,
  });
  expect(await fail(1000, "192.0.2.1")).toMatchObject({ refusedFor: 0, delay: 0 });
  expect(await account.begin("192.0.2.1")).toMatchObject({ refusedFor: 0 });
  expect(told).toEqual([]);
});

test("a ban is listed, and lifted with its failures", async () => {
  const { ledger, account, fail } = trial();
  await fail(20, "192.0.2.1");
  expect([...ledger.bans()]).toEqual([
    { kind: "address", what: "192.0.2.1", failures: 20, until: expect.any(Number) },
  ]);
  expect(ledger.lift("192.0.2.1")).toBe(true);
  expect(ledger.lift("192.0.2.1")).toBe(false);
  expect([...ledger.bans()]).toEqual([]);
  expect(await account.begin("192.0.2.1")).toMatchObject({ refusedFor: 0 });
  expect(await fail(1, "192.0.2.1", "bob")).toMatchObject({ delay: 4 }); // the network has its 21
});

test("300,000 failures of as many addresses, networks and users take a bounded memory", async () => {
  const { ledger } = trial();
  const before = process.memoryUsage().heapUsed;
  for (let turn = 0; turn < 300_000; turn++) {
    const client = { range: `address${turn}`, network: `network${turn}` };
    ledger.take({ is: "failed", client, user: `user${turn}@${"x".repeat(80)}` });
    ledger.take({ is: "passed", client, user: `user${turn}` });
  }
  Bun.gc(true);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
});

test("when master does not answer any more nobody is refused", async () => {
  for (const silence of [Promise.reject(new Error("gone")), new Promise<never>(() => {})]) {
    const account = loginAccount(() => silence, {
      prefixLengths: { ipv4: 32, ipv6: 84 },
      realm: "",
      timeLimit: 20,
    });
    expect(await account.begin("192.0.2.1")).toEqual({ refusedFor: 0, delay: 0, rank: 1 });
  }
});

/** The same account after a restart, `seconds` later. */
function restarted(before: ReturnType<typeof trial>, seconds: number, more: Partial<typeof SETTINGS> = {}) {
  const after = trial(more);
  after.pass(seconds);
  after.ledger.restore(parseBans(printBans(before.ledger.remembered())));
  return after;
}

test("who is shut out stays so over a restart, for as long as is left", async () => {
  const before = trial();
  await before.fail(20, "192.0.2.1");
  await before.fail(5, "198.51.100.1", "eve");
  const after = restarted(before, 600);
  expect(await after.account.begin("192.0.2.1")).toMatchObject({ refusedFor: 3000 });
  expect(await after.account.begin("198.51.100.1")).toMatchObject({ refusedFor: 0 });
  expect([...after.ledger.bans()]).toEqual([
    { kind: "address", what: "192.0.2.1", failures: 20, until: expect.any(Number) },
  ]);
  expect(after.told).toEqual([]);
  after.pass(3000);
  expect(await after.account.begin("192.0.2.1")).toMatchObject({ refusedFor: 0 });
  expect([...restarted(before, 3600).ledger.bans()]).toEqual([]);
});

test("what main.cf says now counts for who was shut out before", async () => {
  const before = trial();
  await before.fail(20, "192.0.2.1");
  expect(await restarted(before, 0, { login_ban_time: 60 }).account.begin("192.0.2.1"))
    .toMatchObject({ refusedFor: 60 });
  expect([...restarted(before, 0, { login_failure_limit: 0 }).ledger.bans()]).toEqual([]);
});

test("a user who is guessed at is let in after a restart from where he was let in before, and nobody else", async () => {
  const before = trial({ login_failure_network_limit: 0 });
  await before.account.passed("203.0.113.5", "Ann@example.com");
  await before.fail(100, (turn) => `198.51.${turn}.1`, "ann");
  const after = restarted(before, 0, { login_failure_network_limit: 0 });
  expect(await after.account.passed("203.0.113.9", "ann")).toMatchObject({ refusedFor: 0 });
  expect(await after.account.passed("198.51.200.1", "ann")).toMatchObject({ refusedFor: 3600 });
});

test("what is no ban of ours says nothing", () => {
  const lines = [
    '["address","192.0.2.1",20,1]',
    "[",
    "{}",
    '["nosuch","x",1,2]',
    '["address",1,2,3]',
    '["user","x","y",3]',
    "",
  ];
  expect(parseBans(lines.join("\n"))).toEqual({
    bans: [{ kind: "address", what: "192.0.2.1", failures: 20, until: 1 }],
    familiar: [],
  });
  const odd = {
    bans: [{ kind: "user", what: 'a"b\n c', failures: 3, until: 9 }],
    familiar: [{ user: "a b", network: "::" }],
  } as const;
  expect(parseBans(printBans(odd))).toEqual(odd);
});

test("it is told when there is something new to remember", async () => {
  const { ledger, fail } = trial();
  let changes = 0;
  ledger.changed = () => void changes++;
  await fail(19, "192.0.2.1");
  expect(changes).toBe(0);
  await fail(1, "192.0.2.1");
  expect(changes).toBe(1);
  ledger.lift("192.0.2.9");
  ledger.lift("192.0.2.1");
  expect(changes).toBe(2);
});
