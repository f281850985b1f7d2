// Fast flush beside the real Postfix: which mail goes out on ETRN and `postqueue -f`, `-i`, `-s`, and what is said.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { BINARY, type Finished, freePort, runMta, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix");
setDefaultTimeout(180_000);

/** A mail system under test. */
interface System {
  readonly port: number;
  log(): string;
  postqueue(...args: string[]): Promise<Finished>;
  stop(): Promise<unknown>;
}

const mainOf = (peer: SmtpPeer) => ({
  relay_domains: "one.example, two.example",
  fast_flush_domains: "$relay_domains, empty.example",
  smtpd_relay_restrictions: "permit_mynetworks, reject",
  default_transport: `smtp:[127.0.0.1]:${peer.port}`,
  relay_transport: `smtp:[127.0.0.1]:${peer.port}`,
  transport_maps: `inline:{{one.example=smtp:[127.0.0.1]:${peer.port}}}`,
  initial_destination_concurrency: "1",
  default_destination_concurrency_failed_cohort_limit: "1",
  // Else mail goes over a connection that waited, and not to a host that is closed by now (docs/differences.md).
  smtp_connection_cache_on_demand: "no",
});

function run(program: string, args: readonly string[], uid?: number): Promise<Finished> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(uid !== undefined && { uid }),
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => stdout += chunk);
    child.stderr.on("data", (chunk) => stderr += chunk);
    child.on("error", fail).on("close", (code) => done({ code, stdout, stderr }));
  });
}

async function theirs(peer: SmtpPeer): Promise<System> {
  const port = await freePort();
  const postfix = await startPostfix({
    main: mainOf(peer),
    master: `127.0.0.1:${port} inet n - n - - smtpd\npickup unix n - n 60 1 pickup`,
  });
  return {
    port,
    log: () => postfix.log(),
    postqueue: (...args) => run("/usr/sbin/postqueue", ["-c", postfix.configDirectory, ...args]),
    stop: () => postfix.stop(),
  };
}

async function ours(peer: SmtpPeer, workers: number): Promise<System> {
  const main = Object.entries(mainOf(peer)).map(([name, value]) => `${name} = ${value}`);
  const server = await startServer({ mainCf: [...main, `worker_processes = ${workers}`] });
  return {
    port: server.port,
    log: () => server.log(),
    postqueue: (...args) => runMta(["-c", server.configDirectory, "postqueue", ...args]),
    stop: () => server.stop(),
  };
}

async function send(port: number, to: readonly string[]): Promise<string> {
  const client = await talk(port);
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<s@example.com>");
  for (const each of to) expect(await client.say(`RCPT TO:<${each}>`)).toStartWith("250");
  await client.say("DATA");
  const reply = await client.say("Subject: x\r\n\r\nx\r\n.");
  client.end();
  return /queued as (\w+)/.exec(reply)![1]!;
}

async function etrn(port: number, domain: string): Promise<string> {
  const client = await talk(port);
  await client.say("EHLO client.example");
  const reply = await client.say(`ETRN ${domain}`);
  client.end();
  return reply.trim();
}

const CLOSED = { greeting: "421 later" };

/** What a system does, step by step: what was said, and who got mail by it. */
async function played(start: (peer: SmtpPeer) => Promise<System>): Promise<unknown[]> {
  const peer = await startSmtpPeer(CLOSED);
  const system = await start(peer);
  const steps: unknown[] = [];
  const deferrals = (id: string) => system.log().split(`${id}: to=`).length - 1;
  const deferred = async (id: string, times: number) =>
    await until(
      () => `${times} deferrals of ${id}:\n${system.log().slice(-3000)}`,
      () => deferrals(id) >= times,
    );
  const step = async (act: () => Promise<unknown>, ids: readonly string[]) => {
    const before = peer.mails.length;
    const said = await act();
    await until(
      () => `${ids} to leave:\n${system.log().slice(-3000)}`,
      () => ids.every((id) => system.log().includes(`${id}: removed`)),
    );
    steps.push([said, peer.mails.slice(before).flatMap(({ to }) => to).sort()]);
  };
  const tool = (...args: string[]) => async () => {
    const { code, stdout, stderr } = await system.postqueue(...args);
    return [args.map((arg) => arg.replace(/^(?=.*\d)\w{8,}$/, "ID")).join(" "), code, stdout, stderr];
  };
  try {
    const both = await send(system.port, ["both1@one.example", "both2@two.example"]);
    const one = await send(system.port, ["a@One.Example"]);
    const two = await send(system.port, ["b@two.example"]);
    const other = await send(system.port, ["c@other.example"]);
    await deferred(both, 2);
    for (const id of [one, two, other]) await deferred(id, 1);
    peer.setScript({});
    await step(() => etrn(system.port, "nobody.example"), []);
    await step(() => etrn(system.port, "empty.example"), []);
    await step(() => etrn(system.port, "@one.example"), [both, one]);
    await step(tool("-s", "other.example"), []);
    await step(tool("-s", "two.example"), [two]);
    await step(tool("-i", other), [other]);
    await step(tool("-i", other), []);
    peer.setScript(CLOSED);
    const again = [await send(system.port, ["d@other.example"]), await send(system.port, ["e@one.example"])];
    for (const id of again) await deferred(id, 1);
    await step(tool("-s", "one.example"), []);
    await deferred(again[1]!, 2);
    peer.setScript({});
    await step(tool("-f"), again);
    for (
      const bad of [
        ["-s", "bad_!"],
        ["-s", "[192.0.2]"],
        ["-s", "x".repeat(300)],
        ["-i", "A@B"],
        ["-i", "/"],
        ["-f", "x"],
        ["-s"],
        ["-Z"],
        [],
        ["-f", "-s", "one.example"],
      ]
    ) {
      await step(tool(...bad), []);
    }
  } finally {
    await system.stop();
    await peer.close();
  }
  return steps;
}

test("ETRN and postqueue send for the same mail with the same words as Postfix's, with one worker and with two", async () => {
  const wanted = await played(theirs);
  expect(await played((peer) => ours(peer, 1))).toEqual(wanted);
  expect(await played((peer) => ours(peer, 2))).toEqual(wanted);
});

test("mail that waited before its site was named is found, after a reload and after a kill", async () => {
  const peer = await startSmtpPeer({ rcpt: "450 4.2.0 later" });
  const mainCf = [`default_transport = smtp:[127.0.0.1]:${peer.port}`, "worker_processes = 2"];
  const named = [...mainCf, "fast_flush_domains = one.example"];
  let server = await startServer({ mainCf });
  try {
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) {
      ids.push(await send(server.port, [i % 2 === 0 ? "a@one.example" : "b@two.example"]));
    }
    for (const id of ids) await server.logged(new RegExp(`${id}: to=.*status=deferred`));
    const ofSite = ids.filter((_, at) => at % 2 === 0).sort();
    const tried = (log: string) => ids.filter((id) => log.includes(`${id}: to=`)).sort();
    server.writeMainCf(named);
    expect((await server.mta("reload")).code).toBe(0);
    const before = server.log().length;
    expect((await server.mta("postqueue", "-s", "one.example")).code).toBe(0);
    const after = () => server.log().slice(before);
    await until(() => `the site's mail to be tried:\n${after()}`, () => tried(after()).length >= 3);
    expect(tried(after())).toEqual(ofSite);
    server.signal("SIGKILL");
    await server.exited;
    server = await startServer({ mainCf: named, directory: server.directory });
    // What a worker left that has no follower of its own is taken over a moment after the start.
    const waiting = async () => (await server.mta("postqueue", "-j")).stdout.split("\n").length - 1;
    await until("all mail to be there", async () => await waiting() >= ids.length);
    expect(await etrn(server.port, "one.example")).toBe("250 Queuing started");
    await until(() => `the site's mail to be tried:\n${server.log()}`, () => tried(server.log()).length >= 3);
    expect(tried(server.log())).toEqual(ofSite);
  } finally {
    await server.stop();
    await peer.close();
  }
});

test("when the service is down the tools say so", async () => {
  const server = await startServer({ mainCf: ["fast_flush_domains = one.example"] });
  await server.stop({ keep: true });
  const down = {
    code: 69,
    stdout: "",
    stderr: "postqueue: fatal: Cannot flush mail queue - mail system is down\n",
  };
  try {
    for (const args of [["-f"], ["-s", "one.example"], ["-i", "ABCDEF012345"]]) {
      expect(await server.mta("postqueue", ...args)).toEqual(down);
    }
    const { code, stderr } = await runMta(["postqueue", "-c", "/nonexistent", "-f"]);
    expect([code, stderr]).toEqual([
      69,
      expect.stringContaining("postqueue: fatal: open /nonexistent/main.cf: No such file or directory"),
    ]);
  } finally {
    rmSync(server.directory, { recursive: true });
  }
});

test("who may flush, authorized_flush_users says", async () => {
  const server = await startServer({ mainCf: ["fast_flush_domains = one.example"] });
  const nobody = (...args: string[]) =>
    run(BINARY, ["-c", server.configDirectory, "postqueue", ...args], 65534);
  try {
    for (const args of [["-f"], ["-s", "one.example"], ["-i", "ABCDEF012345"]]) {
      expect(await nobody(...args)).toEqual({ code: 0, stdout: "", stderr: "" });
    }
    server.writeMainCf(["fast_flush_domains = one.example", "authorized_flush_users = daemon"]);
    expect((await server.mta("reload")).code).toBe(0);
    for (const args of [["-f"], ["-s", "one.example"], ["-i", "ABCDEF012345"]]) {
      const stderr = "postqueue: fatal: User nobody(65534) is not allowed to flush the mail queue\n";
      expect(await nobody(...args)).toEqual({ code: 69, stdout: "", stderr });
    }
    expect((await server.mta("postqueue", "-f")).code).toBe(0);
  } finally {
    await server.stop();
  }
});
