import { describe, expect, test } from "bun:test";
import type { Connection, ConnectionHandler } from "../../platform/socket/connection.ts";
import type { Connect } from "../../platform/socket/connection_pool.ts";
import type { AuthSession } from "../auth_backend.ts";
import { readApplicationConfig } from "./application_config.ts";
import { createCyrusBackend, passwordMechanisms } from "./cyrus_backend.ts";
import { readCyrus } from "./read_cyrus.ts";
import { openSaslauthd } from "./saslauthd.ts";

const SESSION: AuthSession = {
  service: "smtp",
  realm: "",
  myhostname: "mail.example.com",
  client: { address: "192.0.2.7", port: 40_000 },
  server: { address: "192.0.2.1", port: 587 },
  tls: undefined,
};

const counted = (text: string) => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);

/** A saslauthd that gives these answers, each in these pieces; undefined hangs up. */
function saslauthd(answer: (asked: readonly string[]) => readonly Buffer[] | undefined) {
  const [asked, paths]: [string[][], unknown[]] = [[], []];
  const connect: Connect = (to, _options, handlerOf) => {
    paths.push((to as { path: string }).path);
    if ((to as { path: string }).path === "/missing") {
      return Promise.reject(Object.assign(new Error("connect ENOENT"), { code: "ENOENT", errno: -2 }));
    }
    const connection = {
      write(bytes: Buffer) {
        const strings: string[] = [];
        for (let at = 0; at < bytes.length;) {
          const end = at + 2 + bytes.readUInt16BE(at);
          strings.push(bytes.toString("utf8", at + 2, end));
          at = end;
        }
        asked.push(strings);
        const pieces = answer(strings);
        queueMicrotask(() => {
          for (const piece of pieces ?? []) handler.data(piece);
          if (pieces === undefined) handler.end();
        });
        return true;
      },
      setTimeout: () => {},
      destroy: () => {},
    } as unknown as Connection;
    const handler: ConnectionHandler = handlerOf(connection);
    return Promise.resolve(connection);
  };
  return { asked, paths, connect };
}

function backend(of: ReturnType<typeof saslauthd>, paths: readonly string[] = ["/mux"]) {
  const daemon = openSaslauthd(paths, { connect: of.connect, clock: () => 0 });
  return createCyrusBackend(daemon, passwordMechanisms(undefined));
}

const logIn = (of: ReturnType<typeof saslauthd>, name: string, session = SESSION, paths?: string[]) =>
  backend(of, paths).begin("PLAIN", session).step(Buffer.from(`\0${name}\0secret`));

describe("saslauthd is asked as Cyrus asks it", () => {
  const rows:
    readonly (readonly [name: string, realm: string, asked: readonly string[], username: string])[] = [
      ["alice", "", ["alice", "secret", "smtp", ""], "alice"],
      ["alice", "example.org", ["alice", "secret", "smtp", "example.org"], "alice@example.org"],
      ["alice@a.example", "b", ["alice", "secret", "smtp", "a.example"], "alice@a.example"],
      ["alice@a@b", "", ["alice@a", "secret", "smtp", "b"], "alice@a@b"],
      [" Alice ", "b", ["Alice", "secret", "smtp", "b"], "Alice@b"],
      ["\u00e7", "", ["\u00e7", "secret", "smtp", ""], "\u00e7"],
    ];
  test.each(rows)("%j with realm %j", async (name, realm, asked, username) => {
    const daemon = saslauthd(() => [counted("OK")]);
    expect(await logIn(daemon, name, { ...SESSION, realm })).toEqual({ is: "done", username });
    expect(daemon.asked).toEqual([[...asked]]);
  });
});

describe("what it answers", () => {
  const rows: readonly (readonly [string, readonly Buffer[] | undefined, object])[] = [
    ["in one piece", [counted("OK Success.")], { is: "done" }],
    ["byte by byte", [...counted("OK")].map((byte) => Buffer.from([byte])), { is: "done" }],
    ["a refusal", [counted("NO PAM auth error")], { is: "failed", reason: "authentication failure" }],
    ["nonsense", [counted("XX")], { is: "failed", reason: "authentication failure" }],
    ["nothing", [counted("")], { is: "failed", reason: "authentication failure" }],
    ["an end", undefined, { is: "failed", temporary: true, reason: "generic failure" }],
  ];
  test.each(rows)("%s", async (_title, pieces, step) => {
    const daemon = saslauthd(() => pieces);
    expect(await logIn(daemon, "alice")).toMatchObject(step);
  });

  test("and that nobody is there, with the reason for the log alone", async () => {
    const daemon = saslauthd(() => []);
    expect(await logIn(daemon, "alice", SESSION, ["/missing", "/missing"])).toEqual({
      is: "failed",
      reason: "generic failure",
      username: "alice",
      temporary: true,
      warnings: [
        "SASL authentication failure: cannot connect to saslauthd server: No such file or directory",
        "SASL authentication failure: Password verification failed",
      ],
    });
  });
});

test("the socket of a chroot is asked where there is none at its own place", async () => {
  const daemon = saslauthd(() => [counted("OK")]);
  expect(await logIn(daemon, "alice", SESSION, ["/missing", "/queue/mux"])).toMatchObject({ is: "done" });
  expect(daemon.paths).toEqual(["/missing", "/queue/mux"]);
});

test("a saslauthd that does not answer is not asked without end", async () => {
  const daemon = saslauthd(() => []);
  const one = backend(daemon);
  const ask = () => one.begin("PLAIN", SESSION).step(Buffer.from("\0alice\0secret"));
  const waiting = Array.from({ length: 100 }, ask);
  expect(await ask()).toMatchObject({ is: "failed", temporary: true });
  expect(daemon.asked.length).toBeLessThanOrEqual(20);
  one.close();
  void Promise.allSettled(waiting);
});

test("a name or password too long for its length is asked of nobody", async () => {
  const daemon = saslauthd(() => [counted("OK")]);
  const step = await backend(daemon).begin("PLAIN", SESSION).step(Buffer.from(`\0a\0${"p".repeat(70_000)}`));
  expect(step).toMatchObject({ is: "failed", reason: "authentication failure" });
  expect(daemon.asked).toEqual([]);
});

test("smtpd.conf is read as Cyrus reads it", () => {
  const rows: readonly (readonly [string, object])[] = [
    ["", { methods: ["auxprop"], mechanisms: undefined, saslauthdPath: "/var/run/saslauthd/mux" }],
    ["\n# x\n  # y\nPwcheck_Method: SASLAUTHD auxprop \nmech_list:plain\tlogin\n", {
      methods: ["saslauthd", "auxprop"],
      mechanisms: ["PLAIN", "LOGIN"],
    }],
    ["saslauthd_path:  /x y/mux  ", { saslauthdPath: "/x y/mux" }],
    ["pwcheck_method: saslauthd\nmech_list plain", { badLine: 2 }],
    ["mech_list : plain", { badLine: 1 }],
    ["mech_list:", { badLine: 1 }],
  ];
  for (const [text, wants] of rows) expect(readApplicationConfig(text)).toMatchObject(wants);
});

test("the first smtpd.conf on the path counts, and what it wants is there or named", () => {
  const place = { name: "smtpd", folders: ["/a", "/b"], queueDirectory: "/queue" };
  const of = (files: Record<string, string>) => readCyrus(place, (path) => files[path]);
  const asks = "pwcheck_method: saslauthd\n";
  expect(of({ "/b/smtpd.conf": asks })).toMatchObject({
    is: "saslauthd",
    paths: ["/var/run/saslauthd/mux", "/queue/var/run/saslauthd/mux"],
  });
  expect(of({ "/a/smtpd.conf": "", "/b/smtpd.conf": asks })).toMatchObject({ is: "none" });
  expect(of({})).toMatchObject({ is: "none" });
  expect(of({ "/a/smtpd.conf": `${asks}mech_list: CRAM-MD5` })).toMatchObject({ is: "none" });
  const locked = () => {
    throw Object.assign(new Error("EACCES"), { code: "EACCES", errno: -13 });
  };
  expect(readCyrus(place, locked)).toEqual({
    is: "bad",
    why: "cannot read smtpd.conf of Cyrus SASL: Permission denied",
  });
});
