// Limits of clients for whoever XCLIENT says the client is: connections and rates beside the real Postfix.
import { expect } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix");

const SETTINGS: Readonly<Record<string, string>> = {
  mail_name: "Postfix",
  inet_protocols: "all",
  mynetworks: "",
  smtpd_peername_lookup: "no",
  smtpd_client_port_logging: "no",
  mydestination: "example.com",
  local_recipient_maps: "",
  smtpd_relay_restrictions: "reject_unauth_destination",
  smtpd_authorized_xclient_hosts: "127.0.0.1, 192.0.2.128/25",
  smtpd_client_event_limit_exceptions: "192.0.2.77",
};

const LIMITS = [
  "connection_count_limit=1",
  "connection_rate_limit=2",
  "message_rate_limit=1 -o smtpd_client_recipient_rate_limit=2",
];

/** Lines of smtpd, without times, process and queue ids, and the ports that differ. */
function essence(log: string, ports: readonly number[]): string[] {
  const lines = log.split("\n").flatMap((line) => /postfix\/smtpd\[\d+\]: (.*)$/.exec(line)?.[1] ?? [])
    .map((text) => text.replace(/^[0-9A-F]{6,}:/, "ID:"));
  return ports.reduce((all, port, at) => all.map((line) => line.replaceAll(String(port), `P${at}`)), lines);
}

interface System {
  readonly ports: readonly number[];
  log(): string;
}

/** A session that says it is somebody else's; then lines to say, until one is not answered. */
async function session({ ports }: System, service: number, address: string, ...lines: string[]) {
  const client = await talk(ports[service]!);
  const replies: string[] = [];
  for (const line of [`XCLIENT ADDR=${address} NAME=c.example`, ...lines]) {
    const reply = await client.say(line).catch(() => "closed");
    replies.push(`${line}: ${reply}`);
  }
  return { client, replies };
}

async function story(system: System): Promise<string[]> {
  const said: string[] = [];
  const gone = async () => {
    const count = () => system.log().split("\n").filter((line) => /disconnect from/.test(line)).length;
    const before = count();
    return () => until(() => `the end of a session:\n${system.log()}`, () => count() > before);
  };
  const one = async (service: number, address: string, ...lines: string[]) => {
    const ended = await gone();
    const { client, replies } = await session(system, service, address, ...lines);
    client.end();
    await ended();
    said.push(...replies);
  };
  const first = await session(system, 0, "192.0.2.1");
  await one(0, "192.0.2.1", "EHLO x");
  await one(0, "192.0.2.2", "EHLO x", "QUIT");
  await one(0, "192.0.2.1", "EHLO x");
  const ended = await gone();
  first.client.end();
  await ended();
  await one(0, "192.0.2.1", "EHLO x", "QUIT");
  for (let count = 0; count < 3; count++) await one(1, "192.0.2.9", "QUIT");
  await one(1, "192.0.2.10", "QUIT");
  // Who is exempt, and who may himself speak for others, is not counted.
  for (let count = 0; count < 3; count++) await one(1, "192.0.2.77", "QUIT");
  for (let count = 0; count < 3; count++) await one(1, "192.0.2.200", "QUIT");
  for (let count = 0; count < 3; count++) await one(1, "192.0.2.200", "XCLIENT ADDR=192.0.2.12", "QUIT");
  await one(1, "192.0.2.13", "XCLIENT ADDR=192.0.2.14", "QUIT");
  const mail = ["HELO x", "MAIL FROM:<a@b.example>", "RCPT TO:<x@example.com>", "RCPT TO:<y@else.example>"];
  await one(2, "192.0.2.20", ...mail, "RCPT TO:<z@example.com>", "RSET", "MAIL FROM:<a@b.example>", "QUIT");
  await one(2, "192.0.2.21", ...mail, "QUIT");
  await one(2, "IPV6:2001:db8::1", ...mail, "RSET", "MAIL FROM:<a@b.example>", "QUIT");
  // What comes too early is told of once.
  const early = await talk(system.ports[2]!);
  early.send("XCLIENT ADDR=192.0.2.30\r\nEHLO x\r\n");
  said.push(await early.reply(), await early.reply());
  const over = await gone();
  early.end();
  await over();
  return said;
}

test("limits are those of the client that XCLIENT names", async () => {
  const services = (ports: readonly number[]) =>
    LIMITS.map((limit, at) => `127.0.0.1:${ports[at]} inet n - n - - smtpd -o smtpd_client_${limit}`);
  const [real, ours]: [number[], number[]] = [[], []];
  for (const _ of LIMITS) (real.push(await freePort()), ours.push(await freePort()));
  const postfix = await startPostfix({ main: SETTINGS, master: services(real).join("\n") });
  const server = await startServer({
    mainCf: [
      ...Object.entries(SETTINGS).map(([name, value]) => `${name} = ${value}`),
      "worker_processes = 2",
    ],
    masterCf: services(ours),
    smtpdOptions: ["smtpd_client_connection_count_limit=0"],
  });
  try {
    await postfix.waitForLog(/daemon started/);
    await server.logged(/disconnect from/); // the kit's own look at the banner
    const before = server.log().length;
    const log = () => server.log().slice(before);
    const [said, heard] = await Promise.all([
      story({ ports: ours, log }),
      story({ ports: real, log: postfix.log }),
    ]);
    expect(said).toEqual(heard);
    expect(essence(log(), ours)).toEqual(essence(postfix.log(), real));
    expect(essence(log(), ours).filter((line) => line.includes("limit exceeded")).length).toBeGreaterThan(4);
  } finally {
    await postfix.stop();
    await server.stop();
  }
}, 180_000);
