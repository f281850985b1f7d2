import { afterEach, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { testContext } from "../_test_context.ts";
import { LdapPool } from "./ldap_pool.ts";
import type { LdapServer } from "./ldap_servers.ts";
import { ldapSettings } from "./ldap_settings.ts";
import { readQueryFile } from "../query_file/query_file.ts";

/** The answer to a first message that is a bind: success (RFC 4511 §4.2.2). */
const BOUND = Buffer.from("300c02010161070a010004000400", "hex");
const ANONYMOUS = { by: "simple", dn: "", password: "" } as const;

const closing: { close(): unknown }[] = [];
afterEach(() => closing.splice(0).forEach((each) => each.close()));

/** A directory that takes every login, and a pool of connections to it under as many names as are wanted. */
async function world() {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("data", () => socket.write(BOUND)).on("close", () => sockets.delete(socket)).on(
      "error",
      () => {},
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const parameters: Readonly<Record<string, string>> = { t_bind_dn: "cn=mail", t_bind_pw: "secret" };
  const context = testContext({ parameter: (name) => parameters[name] });
  const settings = ldapSettings(readQueryFile("t", [], context), context);
  const pool = new LdapPool(settings, {});
  closing.push(pool, server);
  const named = (name: string): LdapServer => ({
    name,
    to: { host: "127.0.0.1", port },
    tls: false,
    host: "127.0.0.1",
  });
  return { pool, named, own: settings.credentials, sockets };
}

test("a referral to our own server does not speak in our name, nor we in nobody's", async () => {
  const { pool, named, own } = await world();
  const server = named("ldap://here:389");
  const referred = await pool.get(server, ANONYMOUS);
  expect(pool.has(server)).toBe(false);
  const ours = await pool.get(server, own);
  expect(ours).not.toBe(referred);
  expect([await pool.get(server, own), await pool.get(server, ANONYMOUS)]).toEqual([ours, referred]);
  expect(pool.has(server)).toBe(true);
});

test("servers whose connection has ended do not count among those that referrals may lead to", async () => {
  const { pool, named, own, sockets } = await world();
  const names = Array.from({ length: 16 }, (_, at) => `ldap://there${at}:389`);
  const first = await pool.get(named("ldap://here:389"), own);
  const all = await Promise.all(names.map((name) => pool.get(named(name), ANONYMOUS)));
  expect(pool.get(named("ldap://one-more:389"), ANONYMOUS)).rejects.toThrow("more than 16 servers");
  for (const socket of sockets) socket.destroy();
  while ([first, ...all].some(({ usable }) => usable)) await new Promise((resolve) => setImmediate(resolve));
  expect((await pool.get(named("ldap://here:389"), own)).usable).toBe(true);
  expect((await pool.get(named("ldap://one-more:389"), ANONYMOUS)).usable).toBe(true);
});
