// The names of clients (smtpd_peer): the real Postfix and our lookup against one name server, clients from many loopback
// addresses. The log's name and warnings, and what restrictions make of it, must be the same.
import { expect } from "bun:test";
import net from "node:net";
import { parseHosts } from "../../../src/dns/hosts.ts";
import { createResolver } from "../../../src/dns/resolver.ts";
import { createClientLookup } from "../../../src/dns/reverse.ts";
import { type DnsServer, startDnsServer, type Zone } from "../../kit/servers/dns_server.ts";
import { memorySmtpd } from "../../kit/memory/memory_smtpd.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { freePort } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const NAME_SERVER = "127.0.0.78";

/** A client by the last number of its address: what its PTR says, and what else the zone holds for it. */
const CLIENTS: Readonly<Record<string, readonly [last: number, ptr: Zone[string], more?: Zone]>> = {
  "a name that leads back": [31, { PTR: ["good.example"] }, { "good.example": { A: ["127.0.0.31"] } }],
  "a name that leads elsewhere": [32, { PTR: ["forged.example"] }, {
    "forged.example": { A: ["192.0.2.1"] },
  }],
  "a name that does not exist": [33, { PTR: ["gone.example"] }],
  "a name that cannot be looked up": [34, { PTR: ["broken.example"] }, { "broken.example": "SERVFAIL" }],
  "a name without addresses": [35, { PTR: ["empty.example"] }, { "empty.example": { TXT: ["x"] } }],
  "a reverse zone in trouble": [36, "SERVFAIL"],
  "no name": [37, "NXDOMAIN"],
  "other records than a name": [38, { TXT: ["x"] }],
  "an alias into a zone of its own (RFC 2317)": [
    39,
    { CNAME: ["39.32-63.0.0.127.in-addr.arpa"] },
    {
      "39.32-63.0.0.127.in-addr.arpa": { PTR: ["alias.example"] },
      "alias.example": { A: ["127.0.0.39"] },
    },
  ],
  "several names, the first wrong": [
    40,
    { PTR: ["wrong.example", "right.example"] },
    { "wrong.example": { A: ["192.0.2.1"] }, "right.example": { A: ["127.0.0.40"] } },
  ],
  "several names, the first right": [
    41,
    { PTR: ["first.example", "second.example"] },
    { "first.example": { A: ["127.0.0.41"] }, "second.example": { A: ["192.0.2.1"] } },
  ],
  "an address as a name": [42, { PTR: ["127.0.0.42"] }],
  "an underscore": [43, { PTR: ["bad_name.example"] }, { "bad_name.example": { A: ["127.0.0.43"] } }],
  "a leading hyphen": [44, { PTR: ["-bad.example"] }, { "-bad.example": { A: ["127.0.0.44"] } }],
  "a blank": [45, { PTR: ["bad name.example"] }, { "bad name.example": { A: ["127.0.0.45"] } }],
  "upper case": [46, { PTR: ["UPPER.Example"] }, { "upper.example": { A: ["127.0.0.46"] } }],
  "a slash": [47, { PTR: ["bad/name.example"] }, { "bad/name.example": { A: ["127.0.0.47"] } }],
  "a name that is an alias": [
    48,
    { PTR: ["www.example"] },
    { "www.example": { CNAME: ["host.example"] }, "host.example": { A: ["127.0.0.48"] } },
  ],
  "a name with many addresses": [
    49,
    { PTR: ["many.example"] },
    { "many.example": { A: ["192.0.2.1", "192.0.2.2", "127.0.0.49"] } },
  ],
  "a reverse zone that is silent": [50, "silent"],
  "a name whose zone is silent": [51, { PTR: ["silent.example"] }, { "silent.example": "silent" }],
  "a reverse zone that is refused": [52, "REFUSED"],
  "the name localhost": [53, { PTR: ["localhost"] }],
  "one label": [54, { PTR: ["host"] }, { host: { A: ["127.0.0.54"] } }],
  "a number at the end": [55, { PTR: ["host.123"] }, { "host.123": { A: ["127.0.0.55"] } }],
  "an alias to nothing": [56, { CNAME: ["nothing.0.0.127.in-addr.arpa"] }],
  "an answer that comes by TCP": [57, { PTR: ["tcp.example", "truncate"] }, {
    "tcp.example": { A: ["127.0.0.57"] },
  }],
  "a name with IPv6 addresses only": [58, { PTR: ["six.example"] }, {
    "six.example": { AAAA: ["2001:db8::58"] },
  }],
  "the name unknown": [60, { PTR: ["unknown"] }, { unknown: { A: ["127.0.0.60"] } }],
  "numbers only": [61, { PTR: ["1.2.3"] }, { "1.2.3": { A: ["127.0.0.61"] } }],
  "a trailing hyphen": [62, { PTR: ["bad-.example"] }, { "bad-.example": { A: ["127.0.0.62"] } }],
  "a format error": [63, "FORMERR"],
  "letters beyond ASCII": [64, { PTR: ["b\u00fccher.example"] }, {
    "b\u00fccher.example": { A: ["127.0.0.64"] },
  }],
  "a forged name in trouble behind an alias": [
    66,
    { PTR: ["alias-broken.example"] },
    { "alias-broken.example": { CNAME: ["broken.example"] } },
  ],
  "a long label": [67, { PTR: [`${"x".repeat(63)}.example`] }, {
    [`${"x".repeat(63)}.example`]: { A: ["127.0.0.67"] },
  }],
  "a long name": [68, { PTR: [`${"abcdefg.".repeat(30)}example`] }],
};

const ZONE: Zone = Object.assign(
  {},
  ...Object.values(CLIENTS).map(([last, ptr, more]) => ({ [`${last}.0.0.127.in-addr.arpa`]: ptr, ...more })),
);

/** What restrictions make of a name; the access tables show which names they see. */
const SERVICES: readonly Readonly<Record<string, string>>[] = [
  { smtpd_client_restrictions: "reject_unknown_client_hostname", unknown_client_reject_code: "550" },
  { smtpd_client_restrictions: "reject_unknown_reverse_client_hostname", unknown_client_reject_code: "554" },
  {
    smtpd_client_restrictions:
      "check_client_access regexp:{{/^127\\.0/ DUNNO},{/(.+)/ REJECT verified $$1}}, check_reverse_client_hostname_access regexp:{{/(.+)/ REJECT reverse $$1}}",
  },
];
const COMMON = {
  mynetworks: "",
  smtpd_relay_restrictions: "reject_unauth_destination",
  mydestination: "example.com",
  local_recipient_maps: "",
  smtpd_peername_lookup: "yes",
  smtpd_client_connection_count_limit: "0",
};
const COMMANDS = ["EHLO client.example.org", "MAIL FROM:<a@b.example>", "RCPT TO:<x@example.com>", "QUIT"];

/** Speaks to the real one; the replies but the greeting's and EHLO's. */
function speak(port: number, localAddress: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress });
    const replies: string[] = [];
    let [text, next] = ["", 0];
    socket.on("data", (chunk) => {
      text += chunk;
      if (!/^(?:\d{3}-.*\r\n)*\d{3} .*\r\n$/.test(text)) return;
      if (next > 1) replies.push(text.trimEnd());
      text = "";
      if (next < COMMANDS.length) socket.write(`${COMMANDS[next++]}\r\n`);
    });
    socket.on("close", () => resolve(replies));
    socket.on("error", reject);
  });
}

describe("names of clients are those that Postfix finds", () => {
  let dns: DnsServer;
  let postfix: PostfixInstance;
  const ports: number[] = [];

  beforeAll(async () => {
    dns = await startDnsServer(ZONE, { host: NAME_SERVER, port: 53 });
    for (const _ of SERVICES) ports.push(await freePort());
    const master = SERVICES.map((settings, at) => {
      const options = Object.entries(settings).map(([name, value]) => `\n  -o {${name}=${value}}`).join("");
      return `127.0.0.1:${ports[at]} inet n - n - - smtpd${options}`;
    }).join("\n");
    postfix = await startPostfix({ main: COMMON, master, nameServer: NAME_SERVER });
  }, 180_000);

  afterAll(async () => {
    await postfix?.stop();
    await dns?.close();
  });

  const resolver = createResolver({ servers: [{ host: NAME_SERVER, port: 53 }], timeout: 3000, attempts: 1 });
  const clientLookup = createClientLookup({ resolver, hosts: parseHosts("127.0.0.1 localhost\n") });

  async function ours(settings: Readonly<Record<string, string>>, address: string) {
    const house = memorySmtpd({ ...COMMON, ...settings }, { clientLookup });
    const connection = house.connect(address);
    const replies: string[] = [];
    for (const command of ["", ...COMMANDS]) {
      if (command !== "") connection.send(`${command}\r\n`);
      let text = "";
      await until("a reply", () => (text += connection.read()) !== "");
      replies.push(text.trimEnd());
    }
    return { replies: replies.slice(2), log: house.log.lines };
  }

  const warnings: string[] = [];
  const warningIn = (line: string) => /warning: (.*)$/.exec(line)?.[1] ?? [];
  const aboutName = (lines: readonly string[], address: string) =>
    lines.filter((line) => line.includes(address) && !line.includes("disconnect from"))
      .map((line) =>
        line.replace(/^.*?: (?=connect|warning|NOQUEUE|[0-9A-F]+: )/, "").replace(/^[0-9A-F]{6,}:/, "ID:")
      );

  test.concurrent.each(Object.entries(CLIENTS))("%s", async (_, [last]) => {
    const address = `127.0.0.${last}`;
    const heard = await Promise.all(ports.map((port) => speak(port, address)));
    const said = await Promise.all(SERVICES.map((settings) => ours(settings, address)));
    expect(said.map(({ replies }) => replies)).toEqual(heard);
    const log = await postfix.waitForLog(new RegExp(`(?:disconnect from \\S+\\[${address}\\][^]*){3}`));
    const real = aboutName(log.split("\n"), `[${address}]`).filter((line) => line.startsWith("connect"));
    const lines = aboutName(said.flatMap((each) => each.log), `[${address}]`);
    expect(lines.filter((line) => line.startsWith("connect"))).toEqual(real);
    warnings.push(...said.flatMap((each) => each.log).flatMap(warningIn));
  }, 180_000);

  test("warnings are the same, about names that lead nowhere and texts that are no names", () => {
    expect(warnings.length).toBeGreaterThan(30);
    expect(warnings.sort()).toEqual(postfix.log().split("\n").flatMap(warningIn).sort());
  });
});
