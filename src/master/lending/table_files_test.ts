import { afterAll, beforeAll, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { loadConfiguration } from "../../config/load.ts";
import { withTableFiles } from "./table_files.ts";

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
  const { files } = withTableFiles(
    { files: new Set(["/own.pem"]), folders: new Set() },
    loaded.configuration,
  );
  expect([...files]).toEqual([
    "/own.pem",
    `${folder}/sni`,
    `${folder}/none`,
    "/keys/a.key",
    "/keys/a.pem",
    "/keys/b.pem",
  ]);
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
  const { files } = withTableFiles({ files: new Set(), folders: new Set() }, loaded.configuration);
  const keys = [...files].filter((each) => each.startsWith("/keys/")).map((each) => each.slice(6)).sort();
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
  const { files } = withTableFiles({ files: new Set(), folders: new Set() }, loaded.configuration);
  expect([...files]).toEqual([
    `${folder}/dkim`,
    "/keys/a.pem",
    "/keys/a-ed.pem",
    "/keys/c.pem",
    "/keys/e.pem",
    "/keys/e2.pem",
  ]);
});
