import { afterAll, beforeAll, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { loadConfiguration } from "../../config/load.ts";
import { withTableFiles } from "./table_files.ts";

const NONE = { files: new Set<string>(), folders: new Set<string>() };
let folder: string;
beforeAll(() => folder = fs.mkdtempSync(path.join(os.tmpdir(), "sni-")));
afterAll(() => fs.rmSync(folder, { recursive: true }));

test("the files that the tables of tls_server_sni_maps name are lent too, and so are their sources; content is no name", () => {
  fs.writeFileSync(
    path.join(folder, "sni"),
    "a.example /keys/a.key, /keys/a.pem\n.b.example /keys/b.pem\nc.example LS0tLS1CRUdJTg==\n# d.example /keys/d.pem\n",
  );
  const loaded = loadConfiguration({
    directory: "/etc/x",
    texts: {
      main:
        `myhostname = mail.example.com\ntls_server_sni_maps = hash:${folder}/sni, texthash:${folder}/none, pcre:${folder}/p\n`,
      master: "smtp inet n - n - - smtpd\n",
      overrides: [],
    },
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  const { files, named } = withTableFiles(
    { files: new Set(["/own.pem"]), folders: new Set() },
    loaded.configuration,
    () => true,
  );
  expect([...files]).toEqual(["/own.pem", `${folder}/sni`, `${folder}/none`]);
  expect([...named]).toEqual(["/keys/a.key", "/keys/a.pem", "/keys/b.pem"]);
});

test("so are those that tables of words and of patterns name, in main.cf or in a file, alone or in a table made of tables", () => {
  fs.writeFileSync(path.join(folder, "p"), "/^d\\.example$/ /keys/d.pem\n");
  const maps = `inline:{a.example=/keys/a.pem,{b.example = /keys/b.key, /keys/b.pem}} static:/keys/s.pem ` +
    `unionmap:{pcre:${folder}/p,inline:{c.example=/keys/c.pem}} randmap:{/keys/r.pem} regexp:{{/e/ /keys/e.pem}}`;
  const loaded = loadConfiguration({
    directory: "/etc/x",
    texts: {
      main: `myhostname = mail.example.com\ntls_server_sni_maps = ${maps}\n`,
      master: "smtp inet n - n - - smtpd\n",
      overrides: [],
    },
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  const { named } = withTableFiles(NONE, loaded.configuration, () => true);
  const keys = [...named].filter((each) => each.startsWith("/keys/")).map((each) => each.slice(6)).sort();
  expect(keys).toEqual(["a.pem", "b.key", "b.pem", "c.pem", "d.pem", "e.pem", "r.pem", "s.pem"]);
});

test("the files of keys that the tables of dkim_signing_keys name are lent", () => {
  fs.writeFileSync(
    path.join(folder, "dkim"),
    "a.example s1:/keys/a.pem, ed:file:/keys/a-ed.pem\n.b.example s:MIIEvQIBADAN\n# d.example s:/keys/d.pem\n",
  );
  const maps =
    `hash:${folder}/dkim, inline:{c.example=s1:/keys/c.pem,{e.example = s1:/keys/e.pem s2:/keys/e2.pem}}`;
  const loaded = loadConfiguration({
    directory: "/etc/x",
    texts: {
      main: `myhostname = mail.example.com\ndkim_signing_keys = ${maps}\n`,
      master: "smtp inet n - n - - smtpd\n",
      overrides: [],
    },
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  const { files, named } = withTableFiles(NONE, loaded.configuration, () => true);
  expect([...files]).toEqual([`${folder}/dkim`]);
  expect([...named]).toEqual([
    "/keys/a.pem",
    "/keys/a-ed.pem",
    "/keys/c.pem",
    "/keys/e.pem",
    "/keys/e2.pem",
  ]);
});

function signedBy(maps: string, isRoots = (_source: string) => true): readonly string[] {
  const loaded = loadConfiguration({
    directory: "/etc/x",
    texts: {
      main: `myhostname = mail.example.com\ndkim_signing_keys = ${maps}\n`,
      master: "smtp inet n - n - - smtpd\n",
      overrides: [],
    },
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return [...withTableFiles(NONE, loaded.configuration, isRoots).named];
}

test("one key of many domains is one file", () => {
  const many = Array.from({ length: 1500 }, (_, at) => `d${at}.example s:/keys/one.pem\n`).join("");
  fs.writeFileSync(path.join(folder, "many"), many);
  fs.writeFileSync(path.join(folder, "last"), "last.example s:/keys/last.pem\n");
  expect(signedBy(`hash:${folder}/many, hash:${folder}/last`)).toEqual(["/keys/one.pem", "/keys/last.pem"]);
});

test("what tables name that the workers could write to is not lent", () => {
  fs.writeFileSync(path.join(folder, "theirs"), "a.example s:/keys/a.pem\n");
  fs.writeFileSync(path.join(folder, "theirs.re"), "/b/ s:/keys/b.pem\n");
  const maps = `hash:${folder}/theirs, regexp:${folder}/theirs.re, inline:{c.example=s:/keys/c.pem}`;
  expect(signedBy(maps)).toEqual(["/keys/a.pem", "/keys/b.pem", "/keys/c.pem"]);
  expect(signedBy(maps, () => false)).toEqual(["/keys/c.pem"]);
});
