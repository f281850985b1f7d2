import { expect, test } from "bun:test";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import type { AcmeSettings } from "../../acme/acme_parameters.ts";
import type { ChildHandler, ChildOptions } from "../../platform/socket/child.ts";
import { AcmeProcess } from "./acme_process.ts";
import type { FromAcme } from "./acme_protocol.ts";

const OFF: AcmeSettings = {
  acme_agree_to_terms: true,
  acme_ca_file: "/ca.pem",
  acme_directory: "https://ca.example/dir",
  acme_domains: "",
  acme_email: "a@example.com, b@example.com",
  acme_http_listen: "127.0.0.1:80, [::]:80",
  acme_tls_listen: "",
  data_directory: "/data",
  dns_servers: "",
  inet_protocols: "ipv4",
};
const ON: AcmeSettings = { ...OFF, acme_domains: "Mail.example.com, müller.example" };
const OWNER = { uid: 7, gid: 7 };

interface Started {
  readonly options: ChildOptions;
  readonly handler: ChildHandler;
  readonly sent: unknown[];
  killed: boolean;
}

function scene(open: (address: string) => number = () => 9) {
  const started: Started[] = [];
  const timers: { readonly after: number; readonly call: () => void }[] = [];
  const closed: number[] = [];
  const log = memoryLog();
  const acme = new AcmeProcess({
    spawn: (options, handler) => {
      const one: Started = { options, handler, sent: [], killed: false };
      started.push(one);
      return {
        pid: 100 + started.length,
        backlog: 0,
        send: (line) => void one.sent.push(JSON.parse(line)),
        kill: () => void (one.killed = true),
      };
    },
    sockets: { open: ({ address }) => open(address), close: (fd) => void closed.push(fd) },
    after: (after, call) => (timers.push({ after, call }), () => {}),
    lend: (path, { uid }) => `${path} for ${uid}`,
    log: () => log,
  });
  const say = (message: FromAcme, to = started.at(-1)!) => to.handler.message(JSON.stringify(message));
  return { acme, started, timers, closed, log, say };
}

test("it runs as mail_owner, with the sockets and what it needs to know, and only while there are names", () => {
  const { acme, started, closed } = scene();
  acme.apply(OFF, OWNER);
  expect(started).toEqual([]);
  expect(acme.status).toBeUndefined();
  acme.apply(ON, OWNER);
  const [{ options, sent }] = started as [Started];
  expect([options.args, options.identity, options.inherit, options.silent]).toEqual([["--acme"], OWNER, [
    9,
    9,
  ], true]);
  expect(closed).toEqual([9, 9]);
  expect(sent).toEqual([{
    is: "boot",
    names: ["mail.example.com", "xn--mller-kva.example"],
    directory: "https://ca.example/dir",
    agrees: true,
    emails: ["a@example.com", "b@example.com"],
    caFile: "/ca.pem",
    caLent: "/ca.pem for 7",
    dataDirectory: "/data",
    nameServers: [],
    families: [4],
    byTls: false,
    listeners: 2,
    tlsListeners: 0,
  }]);
  acme.apply(ON, OWNER);
  expect(started).toHaveLength(1);
  acme.apply({ ...ON, acme_tls_listen: "127.0.0.1:443" }, OWNER);
  expect([started[0]!.killed, started.length]).toEqual([true, 2]);
  acme.apply(OFF, OWNER);
  expect(started[1]!.killed).toBe(true);
});

test("a port that is taken is told with what to do; IPv6 that the machine has not is passed over", () => {
  const { acme, started, log } = scene((address) => {
    throw Object.assign(new Error("no"), { code: address === "::" ? "EAFNOSUPPORT" : "EADDRINUSE" });
  });
  acme.apply(ON, OWNER);
  expect(started[0]!.options.inherit).toEqual([]);
  expect(log.lines).toEqual([
    "master: warning: acme_http_listen: cannot listen on 127.0.0.1:80: Address already in use; free the port, or let who has it pass " +
    "/.well-known/acme-challenge/ on to http_listen and set acme_http_listen to nothing",
  ]);
});

test("a process that dies is started again, later each time, until it has done its work", () => {
  const { acme, started, timers, say } = scene();
  acme.apply(ON, OWNER);
  const die = () => {
    started.at(-1)!.handler.exit({ code: 1, signal: null });
    timers.at(-1)!.call();
  };
  for (let n = 0; n < 8; n++) die();
  expect(timers.map(({ after }) => after / 1000)).toEqual([10, 20, 40, 80, 160, 320, 600, 600]);
  expect(acme.notes()).toEqual([
    "ACME: no certificate for mail.example.com, xn--mller-kva.example: the process for ACME has died",
  ]);
  say({ is: "status", status: { names: ["mail.example.com"], state: "good" } });
  die();
  expect(timers.at(-1)!.after).toBe(10_000);
  acme.stop();
  started.at(-1)!.handler.exit({ code: null, signal: "SIGKILL" });
  expect(timers).toHaveLength(9);
});

test("what it says is told, answered and bounded; what one says that is gone counts for nothing", () => {
  const { acme, started, log, say } = scene();
  acme.apply(ON, OWNER);
  say({ is: "challenge", token: "to-ken", answer: "to-ken.thumb" });
  expect(acme.answer("to-ken")).toBe("to-ken.thumb");
  say({ is: "challenge", token: "to-ken" });
  expect(acme.answer("to-ken")).toBeUndefined();
  say({ is: "said", warning: true, text: "no certificate" });
  expect(log.lines).toEqual(["master: warning: acme: no certificate"]);
  for (let n = 0; n < 5000; n++) {
    say({ is: "said", warning: false, text: "again" });
    started[0]!.handler.message("no message");
    say({ is: "challenge", token: `t${n}`, answer: "x" });
  }
  expect(log.lines.length).toBeLessThan(1100);
  expect(acme.answer("t4999")).toBeUndefined();
  acme.apply({ ...ON, acme_email: "" }, OWNER);
  say({ is: "challenge", token: "old", answer: "x" }, started[0]);
  expect(acme.answer("old")).toBeUndefined();
});

test("who asks for a renewal hears how it ended, and is refused where there is nobody to ask or it is under way", async () => {
  const { acme, started, say } = scene();
  await expect(acme.renew()).rejects.toThrow("acme_domains is empty");
  acme.apply(ON, OWNER);
  const status = { names: ["mail.example.com"], state: "good", next: 5 } as const;
  const asked = acme.renew();
  expect(started[0]!.sent.at(-1)).toEqual({ is: "renew" });
  say({ is: "status", status: { names: ["mail.example.com"], state: "ordering" } });
  await expect(acme.renew()).rejects.toThrow("is being ordered");
  say({ is: "status", status });
  expect(await asked).toEqual(status);
  const cut = acme.renew();
  acme.stop();
  expect((await cut).problem).toContain("was stopped");
});
