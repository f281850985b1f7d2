import { expect } from "bun:test";
import { type SelfSigned, selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { createTlsContext, type TlsContext } from "../../platform/socket/tls_context.ts";
import { ABSENT, type Answer, type Table } from "../../table/table.ts";
import { type Chains, materialOf } from "../../tls/own/chain.ts";
import { SniContexts, SniFault } from "./sni_contexts.ts";

const { beforeAll, test } = withPeers(import.meta.path, "openssl");

let own: SelfSigned;
beforeAll(() => void (own = selfSigned("mx.example.net")));

const base64 = (text: string) => Buffer.from(text).toString("base64");

function house(rows: Readonly<Record<string, string | Answer>>, namesFiles = true) {
  const asked: string[] = [];
  const made: Chains[] = [];
  const log: string[] = [];
  const table: Table = {
    spec: "texthash:/etc/sni",
    pattern: false,
    lookup: (key) => {
      asked.push(key);
      const row = rows[key];
      if (row === undefined) return ABSENT;
      return typeof row === "string" ? { is: "found", value: row } : row;
    },
    close: () => {},
  };
  const sni = new SniContexts({
    tables: [{ table, namesFiles }],
    read: (path) => {
      if (path === "/etc/chain.pem") return own.key + own.certificate;
      throw new Error("No such file or directory");
    },
    contextOf: (chains): TlsContext => {
      made.push(chains);
      return createTlsContext({ ca: "", ...materialOf(chains) });
    },
    log: (level, text) => void log.push(`${level}: ${text}`),
  });
  return { sni, asked, made, log };
}

const CLIENT = "client.example.org[192.0.2.1]";

test("a name is looked up in lower case, then what stands for all below each of its domains", async () => {
  const { sni, asked, log } = house({});
  expect(await sni.contextFor("MX.Mail.Example.NET", CLIENT)).toBeUndefined();
  expect(asked).toEqual(["mx.mail.example.net", ".mail.example.net", ".example.net", ".net"]);
  expect(log).toEqual([`info: TLS SNI MX.Mail.Example.NET from ${CLIENT} not matched, using default chain`]);
});

test("a chain stands in a file or in base64, and its context is made once, until it is told to forget", async () => {
  const { sni, made, log } = house({
    "file.example": "/etc/chain.pem",
    "content.example": base64(own.key + own.certificate),
  });
  const [file, content, again] = [
    await sni.contextFor("file.example", CLIENT),
    await sni.contextFor("content.example", CLIENT),
    await sni.contextFor("FILE.example", CLIENT),
  ];
  expect(file).toBeDefined();
  expect([content, again]).toEqual([file, file]);
  expect(made.length).toBe(1);
  sni.forget();
  await sni.contextFor("file.example", CLIENT);
  expect([made.length, log]).toEqual([2, []]);
});

test("a table that is no file of ours names none", async () => {
  const { sni, log } = house({ "file.example": "/etc/chain.pem" }, false);
  expect(() => sni.contextFor("file.example", CLIENT)).toThrow(SniFault);
  expect(log).toEqual(["warning: texthash:/etc/sni: file.example: malformed BASE64 value"]);
});

test("who asks for a name whose certificate cannot be had gets no other, and the log says why", async () => {
  const { sni, log } = house({
    "missing.example": "/etc/missing.pem",
    "broken.example": base64("-----BEGIN X-----\n-----END X-----\n"),
    "down.example": { is: "trouble", retry: true, why: "no connection" },
  });
  for (const name of ["missing.example", "broken.example", "down.example"]) {
    expect(() => sni.contextFor(name, CLIENT)).toThrow(SniFault);
  }
  expect(log).toContain("warning: No PEM data in SNI data for broken.example");
  expect(log.filter((line) => !line.includes("SNI data"))).toEqual([
    "warning: texthash:/etc/sni: missing.example: /etc/missing.pem: No such file or directory",
    'warning: texthash:/etc/sni lookup error for "down.example": no connection',
    "warning: tls_server_sni_maps: down.example map lookup problem",
  ]);
});

test("a name that is none is not looked up", async () => {
  const { sni, asked, log } = house({});
  expect(await sni.contextFor("x..y_z", CLIENT)).toBeUndefined();
  expect([asked, log]).toEqual([[], [`warning: TLS SNI from ${CLIENT} is invalid: x..y_z`]]);
});

test("a key that was damaged in the table is not in the log", () => {
  const damaged = base64(own.key + own.certificate).slice(1);
  const { sni, log } = house({ "a.example": damaged, "b.example": `/ab${damaged}` });
  for (const name of ["a.example", "b.example"]) {
    expect(() => sni.contextFor(name, CLIENT)).toThrow(SniFault);
    expect(log.pop()).toBe(`warning: texthash:/etc/sni: ${name}: malformed BASE64 value`);
  }
});
