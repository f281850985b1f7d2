// Filters before the queue: what the client hears, what the filter is told and gets, and the log, by Postfix's smtpd and by ours.
import { expect } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import { FILTER_SCENES, type FilterScene } from "../../kit/scenes/filter_scenes.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const MAIN = {
  smtpd_authorized_xforward_hosts: "127.0.0.1",
  smtpd_recipient_restrictions: "permit_mynetworks,reject",
  smtpd_error_sleep_time: "0",
  smtpd_peername_lookup: "no",
  smtpd_proxy_timeout: "2s",
  notify_classes: "",
  message_size_limit: "5000",
  smtpd_sender_restrictions: "check_sender_access inline:{{prepend@x.example=PREPEND X-P: 1}, " +
    "{hold@x.example=HOLD}, {filter@x.example=FILTER smtp:[192.0.2.1]}, {discard@x.example=DISCARD}}",
};

/** A service of each, by how it hands mail over. */
interface Ports {
  readonly postfix: number;
  readonly ours: number;
}

let filter: SmtpPeer;
let socketFilter: SmtpPeer;
let postfix: PostfixInstance;
let server: Server;
let ports: Readonly<Record<"at once" | "speed_adjust" | "nobody there" | "by socket", Ports>>;

beforeAll(async () => {
  filter = await startSmtpPeer();
  const free = async () => ({ postfix: await freePort(), ours: await freePort() });
  ports = {
    "at once": await free(),
    "speed_adjust": await free(),
    "nobody there": await free(),
    "by socket": await free(),
  };
  const path = `/tmp/filter-${process.pid}.sock`;
  socketFilter = await startSmtpPeer({}, { path });
  const { chmodSync } = await import("node:fs");
  chmodSync(path, 0o777);
  const services = (who: keyof Ports) => [
    `127.0.0.1:${ports["at once"][who]} inet n - n - - smtpd`,
    `  -o smtpd_proxy_filter=127.0.0.1:${filter.port}`,
    `127.0.0.1:${ports["speed_adjust"][who]} inet n - n - - smtpd`,
    `  -o smtpd_proxy_filter=inet:127.0.0.1:${filter.port} -o smtpd_proxy_options=speed_adjust`,
    `127.0.0.1:${ports["nobody there"][who]} inet n - n - - smtpd`,
    `  -o smtpd_proxy_filter=inet:127.0.0.1:1 -o smtpd_delay_open_until_valid_rcpt=no`,
    `127.0.0.1:${ports["by socket"][who]} inet n - n - - smtpd -o smtpd_proxy_filter=unix:${path}`,
  ];
  postfix = await startPostfix({ main: MAIN, master: services("postfix").join("\n") });
  server = await startServer({
    mainCf: Object.entries(MAIN).map(([name, value]) => `${name} = ${value}`),
    masterCf: services("ours"),
  });
});

afterAll(async () => {
  await server.stop();
  await postfix.stop();
  await filter.close();
  await socketFilter.close();
});

const norm = (text: string, port: number) =>
  text.replaceAll(String(port), "FILTER").replace(/PORT=\d+/g, "PORT=N").replace(
    /\((?:Postfix|mta)\)/g,
    "(NAME)",
  )
    .replace(/\w{3}, +\d+ \w{3} \d{4} [\d:]{8} \+0000 \(UTC\)/g, "DATE");

async function converse(port: number, lines: readonly string[]): Promise<string[]> {
  const client = await talk(port);
  const heard: string[] = [];
  for (const line of lines) {
    // A chunk has no line end of its own behind it.
    const chunk = line.startsWith("BDAT");
    if (chunk) client.send(line);
    try {
      heard.push(await (chunk ? client.reply() : client.say(line)));
    } catch {
      heard.push("closed");
      break;
    }
  }
  client.end();
  return heard;
}

async function play(scene: FilterScene, port: number, log: () => string, by = filter) {
  by.setScript(scene.filter);
  const before = { log: log().length, lines: by.lines.length, mails: by.mails.length };
  const heard = await converse(port, scene.lines);
  const logged = () => log().slice(before.log);
  await until(() => `the end of the session in ${logged()}`, () => logged().includes("disconnect from"));
  await until("the filter to be left", () => by.open === 0);
  return {
    // EHLO's keywords are another test's.
    heard: heard.slice(/^EHLO/.test(scene.lines[0]!) ? 1 : 0),
    lines: by.lines.slice(before.lines).map((line) => norm(line, by.port)),
    mails: by.mails.slice(before.mails).map(({ from, to, raw }) => ({ from, to, raw: norm(raw, by.port) })),
    log: logged().split("\n").filter((line) =>
      /smtpd\[\d+\]: (?:NOQUEUE|proxy-|warning: .*prox|\w+: client)/.test(line)
    )
      .map((line) => norm(line.replace(/^.*?smtpd\[\d+\]: /, ""), by.port)),
  };
}

for (const way of ["at once", "speed_adjust"] as const) {
  describe(`a filter before the queue, ${way}`, () => {
    for (const [name, scene] of Object.entries(FILTER_SCENES)) {
      test(name, async () => {
        const theirs = await play(scene, ports[way].postfix, postfix.log);
        const ours = await play(scene, ports[way].ours, server.log);
        if (name !== "too large") return expect(ours).toEqual(theirs);
        // Postfix logs the last reply of the filter, which was to another command.
        expect({ ...ours, log: ours.log.slice(0, 1) }).toEqual({ ...theirs, log: theirs.log.slice(0, 1) });
        expect(ours.log[1]).toContain(
          "proxy-reject: END-OF-MESSAGE: 552 5.3.4 Error: message file too big; from=",
        );
      });
    }
  });
}

test("a filter that cannot be reached: the client keeps its mail", async () => {
  const scene = FILTER_SCENES["a filter that takes it"]!;
  const theirs = await play(scene, ports["nobody there"].postfix, postfix.log);
  expect(await play(scene, ports["nobody there"].ours, server.log)).toEqual(theirs);
  expect(theirs.heard[0]).toBe("451 4.3.0 Error: queue file write error");
});

test("a filter at a socket of this machine", async () => {
  const scene = FILTER_SCENES["a filter that takes it"]!;
  const theirs = await play(scene, ports["by socket"].postfix, postfix.log, socketFilter);
  expect(await play(scene, ports["by socket"].ours, server.log, socketFilter)).toEqual(theirs);
  expect(theirs.mails).toHaveLength(1);
});
