// docs/security.md is true: the tests that it names exist, and files and processes of a running server are as it says.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import fs from "node:fs";
import { join, resolve } from "node:path";
import { REQUEST_LIMIT } from "../../../src/master/control/control_protocol.ts";
import { SHARES } from "../../../src/master/control/connection_shares.ts";
import { LONGEST_OF_HELPER, MOST_BUGS } from "../../../src/master/helper/helper.ts";
import { LONGEST_OF_WORKER } from "../../../src/worker/protocol/worker_protocol.ts";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Pebble, startPebble } from "../../kit/servers/pebble.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { sendMessage } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(180_000);
const ROOT = resolve(import.meta.dirname, "../../..");
const PAGE = fs.readFileSync(join(ROOT, "docs/security.md"), "utf8");
const asRoot = withPeers(import.meta.path, "dist/mta", "root", "pebble").test;

let server: Server | undefined;
let authority: Pebble | undefined;
afterEach(async () => {
  await server?.stop();
  authority?.stop();
});

test("each test that the page names exists, by file and name", () => {
  const claims = [...PAGE.matchAll(/`((?:src|test)\/[\w/.]+_test\.ts)` ((?:"[^"]+"(?:, )?)+)/g)].flatMap((
    [, file, names],
  ) => [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => [file!, name!] as const));
  expect(claims.length).toBeGreaterThan(40);
  const missing = claims.filter(([file, name]) => {
    const path = join(ROOT, file);
    return !fs.existsSync(path) || !fs.readFileSync(path, "utf8").includes(name);
  });
  expect(missing).toEqual([]);
});

test("the limits that the page gives in numbers are those of the program", () => {
  const { other, mail_owner: mailOwner, owner } = SHARES;
  const shares =
    `${other.each} of a user, ${other.together} of all; ${mailOwner.together} of \`mail_owner\`; root's ${owner.together} apart`;
  expect(PAGE).toContain(shares);
  expect(PAGE).toContain(`a line of ${REQUEST_LIMIT / 1024} KiB within`);
  expect(PAGE).toContain(`${LONGEST_OF_WORKER / 1024 ** 2} MiB, then the worker is ended`);
  expect([PAGE.includes(`${LONGEST_OF_HELPER / 1024} KiB, ten are written down`), MOST_BUGS]).toEqual([
    true,
    10,
  ]);
});

interface Row {
  readonly path: string;
  readonly kind: string;
  readonly owner: string;
  readonly group: string;
  readonly mode: string;
}

/** The rows of the table of files. */
function rows(): Row[] {
  const table = PAGE.slice(PAGE.indexOf("| path | kind |")).split("\n\n")[0]!;
  return table.split("\n").slice(2).map((line) => {
    const [, path, kind, owner, group, mode] = line.split("|").map((cell) => cell.trim());
    return { path: path!, kind: kind!, owner: owner!, group: group!, mode: mode! };
  });
}

const KINDS = [["isFile", "file"], ["isDirectory", "folder"], ["isSocket", "socket"], [
  "isSymbolicLink",
  "link",
]] as const;

/** A path as the table has it, from one of the server's. */
function named(path: string): string {
  return path.replace(/\/helpers\/\d+\.\d+$/, "/helpers/UID.GID").replace(/\/shard-\d+/, "/shard-N")
    .replace(/\/(private|public)\/\w+$/, "/$1/NAME").replace(/\/log\/[\w-]+\.seg$/, "/log/SEGMENT").replace(
      /\/spool\/\w+$/,
      "/spool/ID",
    ).replace(/\/account-[\w.-]+\.pem$/, "/account-NAME.pem")
    .replace(/\/oauth\/[\w.-]+?(\.lock)?$/, "/oauth/NAME$1");
}

function found(
  directory: string,
  parameter: string,
  owners: ReadonlyMap<number, string>,
  groups: ReadonlyMap<number, string>,
): Row[] {
  const names = [
    "",
    ...fs.readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => `/${name}`),
  ];
  return names.map((name) => {
    const stat = fs.lstatSync(`${directory}${name}`);
    return {
      path: named(`${parameter}${name}`),
      kind: KINDS.find(([is]) => stat[is]())?.[1] ?? "other",
      owner: owners.get(stat.uid) ?? String(stat.uid),
      group: groups.get(stat.gid) ?? String(stat.gid),
      mode: (stat.mode & 0o7777).toString(8).padStart(4, "0"),
    };
  });
}

/** Fetches a token for a relay, as root. */
async function fetchToken({ configDirectory, mta }: Server): Promise<void> {
  const issuer = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json({ access_token: "token", expires_in: 3600 }),
  });
  const file = join(configDirectory, "relay.json");
  fs.writeFileSync(
    file,
    JSON.stringify({
      token_endpoint: `http://127.0.0.1:${issuer.port}/`,
      client_id: "client",
      grant: "client_credentials",
    }),
  );
  expect((await mta("oauth", "test", file)).code).toBe(0);
  await issuer.stop(true);
}

/**
 * A server that has done all that makes files: a delivery as a user, a long message that waits, a question about an address, an order, a
 * token.
 */
async function busy(): Promise<Account> {
  const owner = userNamed("daemon");
  authority = await startPebble(86_400);
  await authority.point("mail.example.com", "127.0.0.1");
  server = await startServer({
    mainCf: [
      "mail_owner = daemon",
      "mydestination = example.com",
      "local_recipient_maps =",
      "relayhost = [127.0.0.1]:1",
      "smtpd_sender_restrictions = reject_unverified_sender",
      "data_directory = $queue_directory/../fresh",
      "maillog_file = $queue_directory/../maillog",
      "maillog_file_prefixes = /",
      "acme_domains = mail.example.com",
      "acme_agree_to_terms = yes",
      `acme_directory = ${authority.directory}`,
      `acme_ca_file = ${authority.caFile}`,
      `acme_http_listen = 127.0.0.1:${authority.httpPort}`,
    ],
    masterCf: [
      "inner unix - n n - 0 spawn user=nobody argv=/bin/cat",
      "outer unix n n n - 0 spawn user=nobody argv=/bin/cat",
    ],
  });
  await sendMessage(server.port, { from: "games@example.com", to: "games@example.com" });
  await sendMessage(server.port, {
    from: "",
    to: "x@elsewhere.example",
    body: "x".repeat(900_000).replace(/.{70}/g, "$&\r\n"),
  });
  const log = join(server.directory, "maillog");
  const logged = (pattern: RegExp) => () => pattern.test(fs.readFileSync(log, "utf8"));
  await fetchToken(server);
  await until("the delivery", logged(/to=<games@.*status=sent/));
  await until("the certificate", logged(/certificate for mail.example.com issued/));
  return owner;
}

asRoot("files, sockets and folders have the owners and modes that the page says", async () => {
  const { uid, gid } = await busy();
  const names = (id: number) => new Map([[0, "root"], [id, "mail_owner"]]);
  const { queueDirectory, directory } = server!;
  const all = [
    ...found(queueDirectory, "queue_directory", names(uid), names(gid)),
    ...found(join(directory, "fresh"), "data_directory", names(uid), names(gid)),
    ...found(directory, "", names(uid), names(gid)).filter(({ path }) => path === "/maillog")
      .map((row) => ({ ...row, path: "maillog_file" })),
  ];
  const once = new Map(all.map((row) => [JSON.stringify(row), row]));
  const byPath = (a: Row, b: Row) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
  expect([...once.values()].sort(byPath)).toEqual(rows().sort(byPath));
});

const status = (pid: number, field: string) =>
  new RegExp(`^${field}:[ \\t]*(.*)$`, "m").exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))![1]!.trim()
    .split(/\s+/);

/** The children of a process with the name that ps shows. */
function childrenOf(parent: number): { readonly pid: number; readonly name: string }[] {
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).flatMap((pid) => {
    try {
      if (Number(status(pid, "PPid")[0]) !== parent) return [];
      return [{ pid, name: fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0]! }];
    } catch {
      return []; // it has ended
    }
  });
}

asRoot("processes have the users, groups and descriptors that the page says", async () => {
  const owner = await busy();
  const [games, nobody] = [userNamed("games"), userNamed("nobody")];
  const children = childrenOf(server!.pid);
  const ids = (
    { pid, name }: { pid: number; name: string },
  ) => [name, status(pid, "Uid"), status(pid, "Gid"), status(pid, "Groups"), status(pid, "CapEff")];
  const four = (id: number) => Array.from({ length: 4 }, () => String(id));
  const NONE = ["0000000000000000"];
  expect(children.map(ids).sort()).toEqual([
    ["mta: acme", four(owner.uid), four(owner.gid), [""], NONE],
    ["mta: helper", four(games.uid), four(games.gid), [""], NONE],
    ["mta: spawn inner", four(nobody.uid), four(nobody.gid), [""], NONE],
    ["mta: spawn outer", four(nobody.uid), four(nobody.gid), [""], NONE],
    ["mta: worker", four(owner.uid), four(owner.gid), [""], NONE],
  ]);
  for (const apart of ["mta: helper", "mta: acme"]) {
    const { pid } = children.find(({ name }) => name === apart)!;
    const descriptors = fs.readdirSync(`/proc/${pid}/fd`).map((fd) =>
      fs.readlinkSync(`/proc/${pid}/fd/${fd}`)
    );
    expect(descriptors.slice(0, 3)).toEqual(["/dev/null", "/dev/null", "/dev/null"]);
    expect(descriptors.filter((to) => to.startsWith("/") && to !== "/dev/null")).toEqual([]);
    // What it listens on, and its channel to master.
    expect(descriptors.filter((to) => to.startsWith("socket:"))).toHaveLength(2);
  }
});
