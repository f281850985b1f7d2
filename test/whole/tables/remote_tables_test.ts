// Tables on servers through the compiled binary: rewriting, checks and delivery, and servers that hang, die and come back.
import { expect, setDefaultTimeout } from "bun:test";
import { createServer, type Server as NetServer } from "node:net";
import { type Server, startServer } from "../../kit/server.ts";
import { startSocketmap, type TablePeer } from "../../kit/servers/table_peers.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test: whole } = withPeers(import.meta.path, "dist/mta");

setDefaultTimeout(180_000);
const MAPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  networks: { "127.0.0.1": "ours" },
  destination: { "local.example": "x" },
  users: {
    "ann@local.example": "x",
    "bob@local.example": "x",
    "temp@local.example": "TEMP the peer is tired",
  },
  aliases: { "all@local.example": "ann@local.example, bob@local.example" },
  canonical: { "old@x.example": "new@x.example" },
  transport: { "ann@local.example": "discard:", "bob@local.example": "error:5.2.1 bob is gone" },
  header: { "Subject: spam": "REJECT no spam", "Subject: temp": "TEMP the peer is tired" },
  sender: { "evil@x.example": "REJECT evil", "temp@x.example": "TEMP the peer is tired" },
};

const unanswered: (() => void)[] = [];

/** The map of senders never answers for a key with `hang` in it; a value may be another answer than OK. */
function answer(map: string, key: string): string | Promise<string> {
  if (map === "sender" && key.includes("hang")) {
    return new Promise<string>((done) => unanswered.push(() => done("NOTFOUND ")));
  }
  const value = Object.hasOwn(MAPS, map) ? MAPS[map]![key] : undefined;
  if (value === undefined) return "NOTFOUND ";
  return value.startsWith("TEMP ") ? value : `OK ${value}`;
}

let peer: TablePeer;
/** Takes connections and says nothing. */
let silent: NetServer;
let silentPort = 0;
let server: Server;

async function start(): Promise<void> {
  peer = await startSocketmap(answer);
  silent = createServer((socket) => void socket.on("error", () => {}));
  await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
  const address = silent.address();
  silentPort = typeof address === "object" && address !== null ? address.port : 0;
  const map = (name: string) => `socketmap:inet:127.0.0.1:${peer.port}:${name}`;
  server = await startServer({
    mainCf: [
      `mynetworks = ${map("networks")}`,
      `mydestination = ${map("destination")}`,
      `local_recipient_maps = ${map("users")}`,
      `virtual_alias_maps = ${map("aliases")}`,
      `canonical_maps = ${map("canonical")}`,
      `transport_maps = ${map("transport")}`,
      "local_transport = local",
      `header_checks = ${map("header")}`,
      `alias_maps = ${map("unproven")}`,
      `smtpd_sender_restrictions = check_sender_access ${map("sender")}, check_sender_access memcache:silent`,
      `silent_memcache = inet:127.0.0.1:${silentPort}`,
      "silent_timeout = 1",
      "silent_max_try = 1",
      "silent_domain = silent.example",
      "smtpd_error_sleep_time = 0",
    ],
  });
}

beforeAll(async () => {
  await start();
});
afterAll(async () => {
  unanswered.forEach((done) => done());
  await server.stop();
  await peer.close();
  silent.close();
});

/** The log has, or comes to have, this text. */
const said = (text: string) => server.logged(new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));

/** Replies to MAIL, RCPT and the end of the message, as far as it gets. */
async function send(from: string, to: string, text = "Subject: x\r\n\r\ny"): Promise<string[]> {
  const client = await talk(server.port);
  try {
    await client.say("EHLO client.example");
    const replies = [await client.say(`MAIL FROM:<${from}>`), await client.say(`RCPT TO:<${to}>`)];
    if (!replies[1]!.startsWith("250")) return replies;
    if (!(await client.say("DATA")).startsWith("354")) return replies;
    return [...replies, await client.say(`${text}\r\n.`)];
  } finally {
    client.end();
  }
}

whole("addresses, checks and routes come from tables on a server", async () => {
  const [, , accepted] = await send("old@x.example", "all@local.example");
  expect(accepted).toStartWith("250 2.0.0 Ok: queued as ");
  const id = accepted!.split(" ").at(-1)!;
  await server.logged(new RegExp(`${id}: from=<new@x\\.example>`));
  await server.logged(
    new RegExp(
      `${id}: to=<ann@local\\.example>, orig_to=<all@local\\.example>, relay=none.*status=sent \\(local\\.example\\)`,
    ),
  );
  await server.logged(
    new RegExp(`${id}: to=<bob@local\\.example>.*dsn=5\\.2\\.1, status=bounced \\(bob is gone\\)`),
  );
  expect((await send("a@x.example", "nobody@local.example"))[1]).toStartWith("550 5.1.1");
  expect((await send("evil@x.example", "ann@local.example"))[1]).toStartWith("554 5.7.1");
  expect((await send("a@x.example", "ann@local.example", "Subject: spam\r\n\r\ny"))[2]).toBe(
    "550 5.7.1 no spam",
  );
});

whole(
  "a table in trouble keeps mail away for now, and the log says which table, which key and why",
  async () => {
    const spec = (map: string) => `socketmap:inet:127.0.0.1:${peer.port}:${map}`;
    const why = (map: string) => `${spec(map)} socketmap server temporary error: the peer is tired`;
    expect((await send("temp@x.example", "ann@local.example"))[1]).toBe(
      "451 4.3.5 <temp@x.example>: Sender address rejected: Server configuration error",
    );
    await said(
      `warning: ${spec("sender")} lookup error for "temp@x.example": ${why("sender")}`,
    );
    expect((await send("a@x.example", "temp@local.example"))[1]).toBe(
      "451 4.3.0 <temp@local.example>: Temporary lookup failure",
    );
    expect((await send("a@x.example", "ann@local.example", "Subject: temp\r\n\r\ny"))[2]).toBe(
      "451 4.3.0 Error: queue file write error",
    );
    await said(
      `warning: ${spec("header")} lookup error for "Subject: temp": ${why("header")}`,
    );
  },
);

whole("a table whose server proves nothing is not asked what to run", async () => {
  const [, , accepted] = await send("a@x.example", "postmaster@local.example");
  const id = accepted!.split(" ").at(-1)!;
  await server.logged(
    new RegExp(
      `${id}: to=<postmaster@local\\.example>.*dsn=4\\.3\\.0, status=deferred \\(alias database unavailable\\)`,
    ),
  );
  await said("unproven map is not allowed for security-sensitive data");
});

whole("a lookup without an answer delays its own session only", async () => {
  const hung = [1, 2, 3].map((at) => send(`hang${at}@x.example`, "ann@local.example"));
  await until("all three wait", () => unanswered.length === 3);
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, at) => send(`free${at}@x.example`, "ann@local.example")),
  );
  expect(replies.map(([, , last]) => last!.slice(0, 9))).toEqual(Array(20).fill("250 2.0.0"));
  unanswered.splice(0).forEach((done) => done());
  expect((await Promise.all(hung)).map(([, , last]) => last!.slice(0, 9))).toEqual(
    Array(3).fill("250 2.0.0"),
  );
});

whole("a silent server is given up in time, and then not waited for again", async () => {
  const refusal = "451 4.3.5 <a@silent.example>: Sender address rejected: Server configuration error";
  const started = performance.now();
  const first = await Promise.all([1, 2, 3].map(() => send("a@silent.example", "ann@local.example")));
  expect(first.map(([, reply]) => reply)).toEqual(Array(3).fill(refusal));
  const waited = performance.now() - started;
  expect(waited).toBeGreaterThan(900);
  expect((await send("a@silent.example", "ann@local.example"))[1]).toBe(refusal);
  await said(
    'warning: memcache:silent lookup error for "a@silent.example": table memcache:silent lookup error: time limit exceeded',
  );
});

whole("a server that is gone is reported once, and asked again when it is back", async () => {
  const { port } = peer;
  await peer.close();
  const replies: string[] = [];
  for (let at = 0; at < 10; at++) replies.push((await send(`a${at}@x.example`, "ann@local.example"))[1]!);
  expect(new Set(replies.map((reply) => reply.slice(0, 7)))).toEqual(new Set(["451 4.3"]));
  const lines = server.log().split("\n").filter((line) =>
    line.includes(`connect to 127.0.0.1:${port}: Connection refused`)
  );
  expect(lines.length).toBeLessThanOrEqual(9); // one for each table that was asked
  expect(lines.length).toBeGreaterThan(0);
  peer = await startSocketmap(answer, port);
  await until("it is asked again", async () => {
    const [, , last = ""] = await send("a@x.example", "ann@local.example");
    return last.startsWith("250");
  });
  await said(`:destination: server 127.0.0.1:${port} answers again`);
});
