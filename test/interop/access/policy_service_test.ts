// check_policy_service over whole sessions: every attribute at every stage as the real Postfix sends it, connections kept and
// given up as documented, and a real policy server (postgrey) before both.
import { expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { startMailSystem } from "../../kit/servers/mail_system.ts";
import { startPolicyDaemon } from "../../kit/servers/policy_daemon.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort } from "../../kit/server.ts";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { reachable } from "../../kit/servers/reachable.ts";
import { withPeers } from "../../kit/peers.ts";
import { until, untilNextTick } from "../../kit/waiting.ts";

const { afterAll, test } = withPeers(import.meta.path, "root", "postfix", "postgrey");

const COMMON: Readonly<Record<string, string>> = {
  compatibility_level: "3.6",
  mail_name: "Postfix",
  myhostname: "mail.example.com",
  mydestination: "example.com",
  local_recipient_maps: "",
  alias_maps: "",
  mynetworks: "127.0.0.0/8",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "all",
  local_transport: "discard:silently",
  default_transport: "discard:silently",
  smtpd_authorized_xclient_hosts: "127.0.0.1",
  smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
  fast_flush_domains: "",
};

const EVERYWHERE = Object.fromEntries(
  ["client", "helo", "etrn", "sender", "relay", "recipient", "data", "end_of_data"].map((list) => [
    `smtpd_${list}_restrictions`,
    `check_policy_service { inet:127.0.0.1:$policy, policy_context=${list} }${
      list === "relay" ? ", reject_unauth_destination" : ""
    }`,
  ]),
);

interface System {
  readonly port: number;
  log(): string;
  stop(): Promise<void> | void;
}

async function startBoth(
  main: Readonly<Record<string, string>>,
  ownMain: Readonly<Record<string, string>> = main,
): Promise<readonly [System, System]> {
  const port = await freePort();
  const postfix = await startPostfix({
    main: { ...COMMON, ...main },
    master: `127.0.0.1:${port} inet n - n - 20 smtpd`,
  });
  await postfix.waitForLog(/daemon started/);
  const root = fs.mkdtempSync("/tmp/policy-ours-");
  const own = { queue_directory: root, data_directory: root, allow_open_relay: "yes" };
  const system = await startMailSystem({ ...COMMON, ...ownMain, ...own }, root);
  const ours = {
    port: system.port,
    log: () => system.log.lines.join("\n"),
    async stop() {
      await system.stop();
      fs.rmSync(root, { recursive: true });
    },
  };
  return [{ port, log: () => postfix.log(), stop: () => postfix.stop() }, ours];
}

/** Lines of a session; what follows DATA up to the dot is content. */
async function play(port: number, lines: readonly string[]): Promise<string[]> {
  const client = await talk(port);
  const replies = [client.greeting];
  let inContent = false;
  for (const line of lines) {
    if (inContent && line !== ".") {
      client.send(`${line}\r\n`);
      continue;
    }
    const reply = await client.say(line);
    inContent = line === "DATA" && reply.startsWith("354");
    replies.push(`${line}: ${reply.replace(/queued as \w+/, "queued as ID")}`);
    if (reply.startsWith("421")) break;
  }
  client.end();
  return replies;
}

/** Ids become the order in which they came up, so that their changes can be compared. */
function plain(requests: readonly string[]): string[] {
  const names = new Map<string, string>();
  const named = (kind: string, value: string) => {
    if (value === "") return "";
    const known = names.get(`${kind} ${value}`) ?? `${kind}-${names.size + 1}`;
    names.set(`${kind} ${value}`, known);
    return known;
  };
  return requests.map((text) =>
    text.replace(/^(instance|queue_id)=(.*)$/gm, (_line, name, value) => `${name}=${named(name, value)}`)
      .replace(/^client_port=\d{4,}$/m, "client_port=PORT").replace(
        /^server_port=\d{4,}$/m,
        "server_port=PORT",
      )
  );
}

const CONTENT = ["Subject: hello", "", "a line", "another one", "."];
const SESSIONS: Readonly<Record<string, readonly string[]>> = {
  "a plain one": [
    "EHLO client.example.org",
    "MAIL FROM:<ann@example.org> SIZE=1234",
    "RCPT TO:<bob@example.com>",
    "DATA",
    ...CONTENT,
    "QUIT",
  ],
  "several recipients, several messages": [
    "HELO client.example.org",
    "MAIL FROM:<ann@example.org>",
    "RCPT TO:<bob@example.com>",
    "RCPT TO:<carol@example.com>",
    "DATA",
    ...CONTENT,
    "MAIL FROM:<>",
    "RCPT TO:<dave@example.com>",
    "RSET",
    "MAIL FROM:<eve@example.org>",
    "RCPT TO:<dave@example.com>",
    "DATA",
    ...CONTENT,
    "QUIT",
  ],
  "what addresses can hold": [
    "EHLO [192.0.2.9]",
    'MAIL FROM:<"odd name"@example.org>',
    'RCPT TO:<"bob=x"@example.com>',
    "RCPT TO:<bob+ext@EXAMPLE.com>",
    "RCPT TO:<@hop.example:bob@example.com>",
    "RCPT TO:<postmaster>",
    "QUIT",
  ],
  "smtputf8": [
    "EHLO client.example.org",
    "MAIL FROM:<j\u00fcrgen@example.org> SMTPUTF8",
    "RCPT TO:<\u00e4nne@example.com>",
    "QUIT",
  ],
  "vrfy and etrn": [
    "EHLO client.example.org",
    "VRFY <bob@example.com>",
    "VRFY carol",
    "ETRN example.com",
    "ETRN @sub.example.com",
    "QUIT",
  ],
  "another client by XCLIENT": [
    "EHLO proxy.example",
    "XCLIENT NAME=real.example.net ADDR=192.0.2.55 PORT=4711 PROTO=ESMTP HELO=real.example.net",
    "EHLO real.example.net",
    "MAIL FROM:<ann@example.org>",
    "RCPT TO:<bob@example.com>",
    "DATA",
    ...CONTENT,
    "QUIT",
  ],
  "without a name, by IPv6": [
    "EHLO proxy.example",
    "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 DESTADDR=198.51.100.1 DESTPORT=25",
    "HELO six.example",
    "MAIL FROM:<ann@example.org>",
    "RCPT TO:<bob@example.com>",
    "QUIT",
  ],
  "a temporary name": [
    "EHLO proxy.example",
    "XCLIENT NAME=[TEMPUNAVAIL] ADDR=192.0.2.56 REVERSE_NAME=rev.example.net",
    "EHLO six.example",
    "MAIL FROM:<ann@example.org>",
    "RCPT TO:<bob@example.com>",
    "QUIT",
  ],
  "a login by XCLIENT": [
    "EHLO proxy.example",
    "XCLIENT ADDR=192.0.2.57 LOGIN=ann",
    "EHLO six.example",
    "MAIL FROM:<ann@example.org> AUTH=<ann@example.org>",
    "RCPT TO:<bob@example.com>",
    "QUIT",
  ],
  "BDAT": [
    "EHLO client.example.org",
    "MAIL FROM:<ann@example.org>",
    "RCPT TO:<bob@example.com>",
    "BDAT 15 LAST\r\nSubject: hi\r\n",
    "QUIT",
  ],
  "without HELO": ["MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.com>", "DATA", ...CONTENT, "QUIT"],
};

async function compareSessions(main: Readonly<Record<string, string>>): Promise<number> {
  const daemon = await startPolicyDaemon(() => "DUNNO");
  const filled = Object.fromEntries(
    Object.entries({ ...EVERYWHERE, ...main }).map((
      [name, value],
    ) => [name, value.replaceAll("$policy", String(daemon.port))]),
  );
  const systems = await startBoth(filled);
  let count = 0;
  try {
    for (const [name, lines] of Object.entries(SESSIONS)) {
      const accounts = [];
      for (const { port } of systems) {
        daemon.requests.length = 0;
        const replies = await play(port, lines);
        accounts.push({ name, replies, requests: plain(daemon.requests) });
      }
      const [theirs, ours] = accounts;
      expect(ours).toEqual(theirs!);
      count += ours!.requests.length;
    }
  } finally {
    for (const system of systems) await system.stop();
    await daemon.close();
  }
  return count;
}

test.concurrent("every attribute at every stage, each stage judged when it comes", async () => {
  expect(await compareSessions({ smtpd_delay_reject: "no" })).toBeGreaterThan(60);
}, 180_000);

test.concurrent("every attribute at every stage, all judged at RCPT", async () => {
  expect(await compareSessions({})).toBeGreaterThan(60);
}, 180_000);

/** A server with moods: what it does depends on the sender it is asked about. */
interface MoodyServer {
  readonly port: number;
  connections: number;
  /** Which connection each request came by. */
  readonly by: number[];
  close(): Promise<void>;
}

const MOODS: Readonly<Record<string, (socket: net.Socket) => void>> = {
  silent: () => {},
  hangup: (socket) => void socket.destroy(),
  once: (socket) => void socket.end("action=DUNNO\n\n"),
  extra: (socket) => void socket.write("hello=world\naction=REJECT with more\nother=thing\n\n"),
  empty: (socket) => void socket.write("action=\n\n"),
  nothing: (socket) => void socket.write("\n"),
  split: (socket) => {
    socket.write("act");
    setTimeout(() => socket.write("ion=REJECT in pieces\n"), 50);
    setTimeout(() => socket.write("\n"), 100);
  },
  spaces: (socket) => void socket.write("action=  REJECT   much   room  \n\n"),
  garbage: (socket) => void socket.write("this is no attribute\n\n"),
};

async function startMoodyServer(): Promise<MoodyServer> {
  const state = { connections: 0, by: [] as number[] };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const number = ++state.connections;
    sockets.add(socket);
    socket.on("error", () => {});
    let buffer = "";
    socket.on("data", (chunk) => {
      buffer += chunk;
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        const sender = /^sender=(\w*)/m.exec(buffer.slice(0, end))?.[1] ?? "";
        buffer = buffer.slice(end + 2);
        state.by.push(number);
        (MOODS[sender] ?? ((to) => void to.write("action=DUNNO\n\n")))(socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return Object.assign(state, {
    port: (server.address() as net.AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

const warningsOf = (log: string, port: number) =>
  log.split("\n").flatMap((line) =>
    /warning: (.*(?:policy|server|attribute|problem|timeout|default).*)$/.exec(line)?.[1] ?? []
  )
    // What a server that only hangs up leaves in errno is chance.
    .map((text) =>
      text.replaceAll(String(port), "PORT").replace(/: (?:Success|Application error)$/, ": WHY")
    );

// Alone: its servers answer within a time limit, from this process, which whatever runs beside it may hold up.
test(
  "connections are kept, renewed and given up on as in Postfix, and so are servers that misbehave",
  async () => {
    const servers = [await startMoodyServer(), await startMoodyServer()];
    const main = (port: number) => ({
      smtpd_recipient_restrictions:
        `check_policy_service { inet:127.0.0.1:${port}, timeout=5s, retry_delay=1s, request_limit=3 }`,
    });
    const systems = await startBoth(main(servers[0]!.port), main(servers[1]!.port));
    const account = async (system: System, server: MoodyServer) => {
      const replies = [];
      for (const mood of ["fine", "fine", "fine", "fine", "once", "fine", ...Object.keys(MOODS)]) {
        const before = system.log().length;
        const lines = [
          "EHLO c.example",
          `MAIL FROM:<${mood}@x.example>`,
          "RCPT TO:<bob@example.com>",
          "QUIT",
        ];
        const said = await play(system.port, lines);
        const log = () => system.log().slice(before);
        // The last line of a session; Postfix's log comes through a process of its own.
        await until("the session has ended", () => log().includes(": disconnect from "));
        replies.push({ mood, rcpt: said[3], warnings: warningsOf(log(), server.port) });
      }
      return replies;
    };
    try {
      const [theirs, ours] = await Promise.all(systems.map((system, k) => account(system, servers[k]!)));
      expect(ours).toEqual(theirs!);
      // Postfix has connections of each smtpd process; ours are the worker's.
      expect(servers[1]!.by.slice(0, 6)).toEqual([1, 1, 1, 2, 2, 3]);
    } finally {
      for (const system of systems) await system.stop();
      for (const server of servers) await server.close();
    }
  },
  180_000,
);

let greylist: ChildProcess | undefined;
const greylistFolder = fs.mkdtempSync("/tmp/policy-postgrey-");
afterAll(() => {
  greylist?.kill();
  fs.rmSync(greylistFolder, { recursive: true, force: true });
});

test.concurrent(
  "postgrey puts off a stranger's first mail, lets the second one in and marks it",
  async () => {
    const port = await freePort();
    fs.chmodSync(greylistFolder, 0o777);
    const user = process.getuid!() === 0 ? "nobody" : process.env.USER!;
    greylist = spawn("/usr/sbin/postgrey", [
      `--inet=127.0.0.1:${port}`,
      `--dbdir=${greylistFolder}`,
      "--delay=1",
      `--user=${user}`,
      "--group=nogroup",
      "--whitelist-clients=/dev/null",
      "--whitelist-recipients=/dev/null",
    ], { stdio: "ignore" });
    await reachable(port);
    const peer = await startSmtpPeer();
    const systems = await startBoth({
      smtpd_recipient_restrictions: `check_policy_service inet:127.0.0.1:${port}`,
      local_transport: `smtp:[127.0.0.1]:${peer.port}`,
    });
    try {
      const accounts = [];
      for (const [k, { port }] of systems.entries()) {
        const lines = [
          "EHLO c.example",
          `XCLIENT NAME=mx.example.net ADDR=198.51.${100 + k}.1`,
          "EHLO c.example",
          "MAIL FROM:<ann@example.org>",
          "RCPT TO:<bob@example.com>",
        ];
        const first = await play(port, [...lines, "QUIT"]);
        await untilNextTick(2100); // postgrey counts seconds
        const second = await play(port, [...lines, "DATA", ...CONTENT, "QUIT"]);
        const plain = (line: string) => line.replace(/198\.51\.\d+/, "198.51.N");
        accounts.push({
          first: first.map(plain),
          second: second.map(plain).map((line) => line.replace(/ \d+ seconds/, " N seconds")),
        });
      }
      expect(accounts[1]).toEqual(accounts[0]!);
      expect(accounts[1]!.first.at(-2)).toStartWith(
        "RCPT TO:<bob@example.com>: 450 4.2.0 <bob@example.com>: Recipient address rejected: Greylisted",
      );
      expect(accounts[1]!.second.at(-2)).toContain("250 2.0.0 Ok: queued as ID");
      await until("both mails", () => peer.mails.length >= 2);
      expect(peer.mails).toHaveLength(2);
      for (const { content } of peer.mails) {
        expect(content).toMatch(/^X-Greylist: delayed \d+ seconds by postgrey/m);
      }
    } finally {
      await peer.close();
      for (const system of systems) await system.stop();
    }
  },
  180_000,
);
