// Users whose password a directory has: looked up in it, and right when one can bind as their entry.
import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Slapd, startSlapd, SUFFIX } from "../../kit/servers/slapd.ts";
import { withPeers } from "../../kit/peers.ts";
import { type AuthStep } from "../../../src/sasl/auth_backend.ts";
import { createInternalBackend } from "../../../src/sasl/internal/internal_backend.ts";
import type { TableContext } from "../../../src/table/context.ts";
import { openLdapBinder } from "../../../src/table/ldap_bind.ts";
import { openTable } from "../../../src/table/table_types.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "slapd", "openssl");

const ann = `uid=ann,ou=people,${SUFFIX}`;
const person = (uid: string, password: string) =>
  `dn: uid=${uid},ou=people,${SUFFIX}\nobjectClass: inetOrgPerson\nuid: ${uid}\ncn: ${uid}\nsn: x\nmail: ${uid}@example.org\nuserPassword: ${password}\n\n`;

let slapd: Slapd;
let folder: string;
beforeAll(async () => {
  slapd = await startSlapd({
    tls: true,
    ldif: `dn: ou=people,${SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n` +
      person("ann", "her secret") +
      person("bob", "his secret"),
  });
  folder = mkdtempSync(join(tmpdir(), "ldap-bind-"));
}, 60_000);
afterAll(async () => {
  await slapd?.stop();
  rmSync(folder, { recursive: true });
});

const context: TableContext = { directory: "", parameter: () => undefined, warn: () => {}, clock: Date.now };

function file(name: string, lines: readonly string[]): string {
  writeFileSync(join(folder, name), lines.map((line) => `${line}\n`).join(""));
  return `ldap:${join(folder, name)}`;
}

function binder(lines: readonly string[]) {
  const opened = openLdapBinder(
    file("bind.cf", [...lines, `search_base = ${SUFFIX}`, "timeout = 5"]),
    context,
  );
  if ("why" in opened) throw new Error(opened.why);
  return opened;
}

describe("a directory is asked", () => {
  const ways: Readonly<Record<string, () => readonly string[]>> = {
    "on this machine": () => [`server_host = ${slapd.url}`],
    "over its socket": () => [`server_host = ${slapd.ldapi}`],
    "over ldaps":
      () => [`server_host = ${slapd.ldaps}`, `tls_ca_cert_file = ${slapd.ca}`, "tls_require_cert = yes"],
    "with STARTTLS": () => [
      `server_host = ldap://localhost:${slapd.port}`,
      "start_tls = yes",
      "version = 3",
      `tls_ca_cert_file = ${slapd.ca}`,
      "tls_require_cert = yes",
    ],
    "at the next server when one is down": () => [`server_host = ldap://127.0.0.1:1 ${slapd.url}`],
  };
  test.each(Object.keys(ways))("%s", async (way) => {
    const { check } = binder(ways[way]!());
    expect(await check(ann, "her secret")).toBe(true);
    expect(await check(ann, "his secret")).toBe(false);
    expect(await check(ann, "")).toBe(false);
    expect(await check("", "")).toBe(false);
    expect(await check(`uid=eve,ou=people,${SUFFIX}`, "x")).toBe(false);
    expect(await check("no name", "x")).toBe(false);
  });
});

test("no password goes to another machine in the clear", () => {
  const spec = file("clear.cf", ["server_host = ldap://ldap.example.org", `search_base = ${SUFFIX}`]);
  expect(openLdapBinder(spec, context)).toEqual({
    why: "passwords would go to ldap://ldap.example.org in the clear: set start_tls = yes, or use ldaps:",
  });
});

test("a server that is down is a trouble, not a wrong password", async () => {
  expect(binder(["server_host = ldap://127.0.0.1:1"]).check(ann, "her secret")).rejects.toThrow(
    "Unable to connect",
  );
});

test("users are found in the directory by their address, and log in with the password that it has", async () => {
  const users = openTable(
    file("users.cf", [
      `server_host = ${slapd.url}`,
      `search_base = ou=people,${SUFFIX}`,
      "query_filter = (mail=%s)",
      "result_attribute = entryDN",
      "result_format = {LDAP}%s",
    ]),
    context,
  );
  const { check } = binder([`server_host = ${slapd.url}`]);
  const asked: string[] = [];
  const backend = createInternalBackend({
    settings: { sasl_ldap_bind: "", sasl_mechanisms: "PLAIN", sasl_users: "" },
    users: { find: (key) => users.lookup(key) },
    bind: (dn, password) => (asked.push(dn), check(dn, password)),
    checkToken: undefined,
    now: Date.now,
  });
  const session = {
    service: "smtp",
    realm: "example.org",
    myhostname: "mail.example.org",
    client: { address: "192.0.2.7", port: 1 },
    server: { address: "192.0.2.1", port: 587 },
    tls: undefined,
  };
  const logIn = async (name: string, password: string): Promise<AuthStep> =>
    await backend.begin("PLAIN", session).step(Buffer.from(`\0${name}\0${password}`));
  expect(await logIn("ann", "her secret")).toEqual({ is: "done", username: "ann@example.org" });
  expect(await logIn("ann@example.org", "his secret")).toMatchObject({ is: "failed", reason: "" });
  expect(await logIn("eve@example.org", "x")).toMatchObject({ is: "failed", reason: "" });
  expect(await logIn("*", "her secret")).toMatchObject({ is: "failed" });
  // A directory locks entries after some wrong passwords: strangers' names must not count against anybody.
  expect(asked).toEqual([
    ann,
    ann,
    `cn=no such user,ou=people,${SUFFIX}`,
    `cn=no such user,ou=people,${SUFFIX}`,
  ]);
  users.close();
});
