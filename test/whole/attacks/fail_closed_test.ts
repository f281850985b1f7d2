// Settings that protect, on the compiled binary: what they shut stays shut. The dialogues are also played to the real Postfix.
import { expect } from "bun:test";
import { connect } from "node:net";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { hasPeer } from "../../kit/peers.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

const PROXY = "127.0.0.1:PORT inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy";
const SCREEN =
  "127.0.0.1:PORT inet n - n - 1 postscreen -o postscreen_greet_wait=1s -o postscreen_cache_map=";

/** A service, what the client sends first, and then line by line; the replies that are wanted. */
interface Scene {
  readonly service: string;
  readonly first?: string;
  readonly lines?: readonly string[];
  readonly want: string;
}

const RELAY = ["HELO a.example", "MAIL FROM:<a@a.example>", "RCPT TO:<b@elsewhere.example>"];
const SUBMIT = [
  "HELO a.example",
  "MAIL FROM:<a@a.example>",
  "RCPT TO:<b@example.com>",
  "DATA",
  "Subject: s\r\n\r\nx\r\n.",
];
const TAKEN = "220 / 250 / 250 2.1.0 Ok / 250 2.1.5 Ok";
const DENIED = "220 / 250 / 250 2.1.0 Ok / 454 4.7.1 <b@elsewhere.example>: Relay access denied";
const LOCAL = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

const SCENES: Readonly<Record<string, Scene>> = {
  "the proxy's own network is trusted where it speaks for itself": {
    service: PROXY,
    first: LOCAL,
    lines: RELAY,
    want: TAKEN,
  },
  "a stranger behind it is not": {
    service: PROXY,
    first: "PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\n",
    lines: RELAY,
    want: DENIED,
  },
  "nor one in a header of version 2": {
    service: PROXY,
    first: "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\x12\x34\0\x19",
    lines: RELAY,
    want: DENIED,
  },
  "who says no header is not heard": {
    service: PROXY,
    first: "HELO a\r\n",
    lines: RELAY,
    want: "421 4.3.0 mail.example.com Server local error / <closed>",
  },
  "nor who says it wrong": {
    service: PROXY,
    first: "PROXY TCP4 192.0.2.777 192.0.2.1 1234 25\r\n",
    lines: RELAY,
    want: "421 4.3.0 mail.example.com Server local error / <closed>",
  },
  "a milter that cannot be asked refuses for now": {
    service: "127.0.0.1:PORT inet n - n - - smtpd -o smtpd_milters=inet:127.0.0.1:1",
    lines: SUBMIT.slice(0, 2),
    want: "220 / 250 / 451 4.7.1 Service unavailable - try again later",
  },
  "a milter that cannot be asked lets pass where that is said": {
    service:
      "127.0.0.1:PORT inet n - n - - smtpd -o smtpd_milters=inet:127.0.0.1:1 -o milter_default_action=accept",
    lines: SUBMIT,
    want: `${TAKEN} / 354 End data with <CR><LF>.<CR><LF> / 250 2.0.0 Ok: queued as ID`,
  },
  "postscreen's proxy counts for the smtpd behind it": {
    service: `${SCREEN} -o postscreen_upstream_proxy_protocol=haproxy`,
    first: "PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\n",
    lines: RELAY,
    want: DENIED,
  },
  "who says no header to postscreen is not heard": {
    service: `${SCREEN} -o postscreen_upstream_proxy_protocol=haproxy`,
    first: "HELO a\r\n",
    lines: RELAY,
    want: "421 4.3.2 No system resources / <closed>",
  },
  "whom postscreen's list rejects is turned away": {
    service: `${SCREEN} -o postscreen_access_list=static:reject -o postscreen_denylist_action=drop`,
    want: "521 5.3.2 Service currently unavailable / <closed>",
  },
  "or refused": {
    service: `${SCREEN} -o postscreen_access_list=static:reject -o postscreen_denylist_action=enforce`,
    lines: SUBMIT.slice(0, 3),
    want: "220 / 250 / 250 2.1.0 Ok / 550 5.3.2 Service currently unavailable",
  },
  "a postscreen without its smtpd serves nobody": {
    service: `${SCREEN} -o smtpd_service_name=other -o postscreen_access_list=static:permit`,
    want: "421 4.3.2 All server ports are busy / <closed>",
  },
};

const BEHIND = [
  "smtpd pass - - n - - smtpd",
  "dnsblog unix - - n - 0 dnsblog",
  "tlsproxy unix - - n - 0 tlsproxy",
];
const names = Object.keys(SCENES);

/** Plays a scene; answers the replies, without what differs between two servers. */
function play({ first, lines = [] }: Scene, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const replies: string[] = [];
    const left = [...lines];
    let text = "";
    const finish = (last?: string) => {
      socket.destroy();
      const all = last === undefined ? replies : [...replies, last];
      resolve(all.join(" / ").replace(/queued as \w+/, "queued as ID"));
    };
    socket.setTimeout(60_000, () => finish("<silence>"));
    socket.on("connect", () => void (first !== undefined && socket.write(Buffer.from(first, "latin1"))));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (!/^\d{3} /.test(line)) continue;
        replies.push(/^(?:220|250 mail)/.test(line) ? line.slice(0, 3) : line);
        const next = left.shift();
        if (next !== undefined) socket.write(`${next}\r\n`);
        else if (!/^(?:421|521)/.test(line)) return finish();
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => finish("<closed>"));
  });
}

const masterLines = (ports: readonly number[]) =>
  names.map((name, i) => SCENES[name]!.service.replace("PORT", String(ports[i]))).concat(BEHIND);

const MAIN = {
  mydestination: "example.com",
  local_transport: "discard",
  local_recipient_maps: "",
  smtpd_peername_lookup: "no",
  smtpd_relay_restrictions: "permit_mynetworks, defer_unauth_destination",
};

describe("settings that protect", () => {
  let server: Server;
  let peer: SmtpPeer;
  let postfix: PostfixInstance | undefined;
  let ports: readonly number[];
  let theirs: readonly number[];

  beforeAll(async () => {
    peer = await startSmtpPeer({}, {});
    const all = await freePorts(2 * names.length);
    [ports, theirs] = [all.slice(0, names.length), all.slice(names.length)];
    const lines = Object.entries(MAIN).map(([name, value]) => `${name} = ${value}`);
    server = await startServer({
      mainCf: [...lines, `transport_maps = inline:{ out.example=checked:[127.0.0.1]:${peer.port} }`],
      masterCf: [
        ...masterLines(ports),
        "checked unix - - n - - smtp -o { smtp_header_checks = regexp:{{/^X-Secret:/ IGNORE}} }",
      ],
    });
    if (hasPeer("postfix") && hasPeer("root")) {
      postfix = await startPostfix({ main: MAIN, master: masterLines(theirs).join("\n") });
    }
  }, 180_000);

  afterAll(async () => {
    await server?.stop();
    await peer?.close();
    await postfix?.stop();
  });

  test.each(names.map((name, i) => [name, i] as const))("%s", async (name, i) => {
    const scene = SCENES[name]!;
    expect(await play(scene, ports[i]!)).toBe(scene.want);
    if (postfix !== undefined) expect(await play(scene, theirs[i]!)).toBe(scene.want);
  }, 180_000);

  test("private headers do not leave (smtp_header_checks)", async () => {
    const scene: Scene = {
      service: "",
      lines: [
        ...SUBMIT.slice(0, 2),
        "RCPT TO:<b@out.example>",
        "DATA",
        "X-Secret: 1\r\nSubject: s\r\n\r\nx\r\n.",
      ],
      want: "",
    };
    expect(await play(scene, server.port)).toContain("queued as ID");
    await server.logged(/to=<b@out\.example>.*status=sent/);
    const [mail] = peer.mails;
    expect(mail?.content).toContain("Subject: s\r\n");
    expect(mail?.content).not.toContain("X-Secret");
  });
});
