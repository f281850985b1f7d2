// Every parameter that is not honoured and whose absence would open the service is held to what absence.ts says of it.
import { expect, test } from "bun:test";
import { configurationOf, memoryConnectionOf, memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import { testAgent } from "../../test/kit/scenes/smtp_delivery.ts";
import { startSmtpPeer } from "../../test/kit/servers/smtp_peer.ts";
import type { Cleanup, Committed, Submission } from "../cleanup/cleanup.ts";
import { withUnaskedLocalMilters } from "../cleanup/unasked_local_milters.ts";
import { absenceOf, checkHonoured, isHonoured } from "../config/check/check_honoured.ts";
import { ABSENCE } from "../config/parameters/absence.ts";
import { DEMANDED } from "../config/parameters/honoured.ts";
import { parameters, patterns } from "../config/parameters/parameters.ts";
import { readSettings } from "../config/read_settings.ts";
import { fakeWorld } from "../../test/kit/memory/config_world.ts";
import { createFindAddress } from "../rewrite/find_address.ts";
import type { LocalDomains } from "../rewrite/local_domains.ts";
import { createOpenTables } from "../rewrite/open_tables.ts";
import { underPostscreen } from "./services/smtpd_services.ts";

/** main.cf lines by which an operator shuts something. */
type Lines = Readonly<Record<string, string>>;

/** What became of a message: taken, refused with a code, or waiting. */
type Fate = { readonly is: "taken" } | { readonly is: "refused"; readonly with: string } | {
  readonly is: "waits";
};

/** A message from the network, through smtpd. */
async function received(main: Lines, postscreen = false): Promise<Fate> {
  const service = configurationOf(main).services.find(({ program }) => program === "smtpd")!;
  const { smtpd } = memorySmtpd(main, postscreen ? { service: underPostscreen(service, service) } : {});
  const client = memoryConnectionOf(smtpd, "192.0.2.7");
  const lines = [
    "EHLO a",
    "MAIL FROM:<a@a.example>",
    "RCPT TO:<b@example.com>",
    "DATA",
    "Subject: s\r\n\r\nx\r\n.",
  ];
  for (const line of lines) {
    await new Promise((resolve) => setImmediate(resolve));
    client.send(`${line}\r\n`);
  }
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  const said = client.read();
  if (/^250 2\.0\.0 Ok: queued as /m.test(said)) return { is: "taken" };
  return { is: "refused", with: /^[45]\d\d .*$/m.exec(said)?.[0].trim() ?? said };
}

/** A message that a local user submits. */
async function submitted(main: Lines): Promise<Fate> {
  const { settings } = configurationOf(main);
  const cleanup: Cleanup = {
    begin: ({ id }) => ({
      size: 0,
      write: () => {},
      abort: () => {},
      commit: (): Promise<Committed> => Promise.resolve({ is: "queued", id, size: 0 }),
    }),
  };
  const submission = {
    id: "4ABC",
    sender: "",
    recipients: [],
    origin: {},
    prepend: [],
  } as unknown as Submission;
  const committed = await withUnaskedLocalMilters(cleanup, settings, memoryLog()).begin(submission).commit();
  if (committed.is === "queued") return { is: "taken" };
  return { is: "refused", with: `${committed.reply.code} ${committed.reply.lines[0]}` };
}

/** A message on its way to a server that would take it. */
async function delivered(program: "smtp" | "lmtp", main: Lines): Promise<Fate> {
  const peer = await startSmtpPeer({}, {});
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const { settings } = configurationOf(main);
  const find = createFindAddress(settings, { isLocal: () => false } as unknown as LocalDomains);
  const { agent, deliver } = testAgent({}, { program, settings, rewriting: { openTables, find } });
  const report = await deliver({ nexthop: `[127.0.0.1]:${peer.port}` });
  await agent.close();
  const taken = peer.mails.length > 0;
  await peer.close();
  const { is } = report.outcomes[0]!;
  if (taken || is === "sent") return { is: "taken" };
  return is === "deferred" ? { is: "waits" } : { is: "refused", with: report.outcomes[0]!.detail.text };
}

interface Trial {
  /** What an operator writes who wants the thing shut. */
  readonly main: Lines;
  readonly run: (main: Lines) => Promise<Fate>;
}

const bySmtpd = (main: Lines): Trial => ({ main, run: received });
const byClient = (program: "smtp" | "lmtp") => (main: Lines): Trial => ({
  main,
  run: (lines) => delivered(program, lines),
});

function clientTrials(program: "smtp" | "lmtp"): Readonly<Record<string, Trial>> {
  const trial = byClient(program);
  const rows: Readonly<Record<string, Lines>> = {
    tls_security_level: { [`${program}_tls_security_level`]: "encrypt" },
    tls_wrappermode: { [`${program}_tls_wrappermode`]: "yes" },
    enforce_tls: { [`${program}_enforce_tls`]: "yes" },
    tls_policy_maps: { [`${program}_tls_policy_maps`]: "static:secure" },
    tls_per_site: { [`${program}_tls_per_site`]: "static:MUST" },
  };
  return Object.fromEntries(Object.entries(rows).map(([name, main]) => [`${program}_${name}`, trial(main)]));
}

const TRIALS: Readonly<Record<string, Trial>> = {
  ...clientTrials("smtp"),
  ...clientTrials("lmtp"),
  non_smtpd_milters: { main: { non_smtpd_milters: "inet:127.0.0.1:1" }, run: submitted },
  smtpd_milter_maps: bySmtpd({ smtpd_milter_maps: "static:inet:127.0.0.1:1" }),
  smtpd_milters: bySmtpd({ smtpd_milters: "inet:127.0.0.1:1" }),
};

const open = Object.entries(ABSENCE).filter(([, absence]) => absence.means === "open");

test.each(open)("%s fails closed", async (name, absence) => {
  const trial = TRIALS[name];
  if (trial === undefined || absence.means !== "open") {
    throw new Error(`${name}: no trial of its row in absence.ts`);
  }
  const fate = await trial.run(trial.main);
  expect(fate.is).toBe(absence.then === "refuse" ? "refused" : "waits");
  if (fate.is === "refused") expect(fate.with).toMatch(/^[45]\d\d /);
});

test("without such a setting the same messages are taken", async () => {
  const free = { smtpd_milters: "" };
  for (const { run } of Object.values(TRIALS)) expect(await run(free)).toEqual({ is: "taken" });
}, 20_000);

test("what is read only to fail closed has a row, and every open row is read", () => {
  const demanded = new Set<string>(DEMANDED);
  expect([...demanded].filter((name) => absenceOf(name) === undefined)).toEqual([]);
  expect(open.map(([name]) => name).filter((name) => !demanded.has(name))).toEqual([]);
});

test("every parameter is honoured or has a row that says what its absence means, never both", () => {
  const names = [...Object.keys(parameters), ...Object.keys(patterns)];
  expect(names.filter((name) => !isHonoured(name) && absenceOf(name) === undefined)).toEqual([]);
  expect(Object.keys(ABSENCE).filter((name) => isHonoured(name) || !names.includes(name))).toEqual([]);
});

test("an open setting is named when it is read, with what the service does instead", () => {
  const main = "";
  const { scope } = readSettings({ directory: "/", world: fakeWorld(), main });
  const programs = new Set(["smtpd", "smtp", "lmtp", "postscreen", "cleanup"]);
  for (const [name, { why }] of open) {
    const [found] = checkHonoured([{ name, value: "x", file: "main.cf" }], () => ({ scope, programs }));
    expect(found?.loss?.means).toBe("closed");
    expect(found?.text).toBe(`main.cf: parameter ${name} is not honoured: ${why}`);
  }
});
