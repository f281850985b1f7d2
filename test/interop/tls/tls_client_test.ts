// The client's policies of TLS with all kinds of servers, each cell beside the real Postfix: outcome, status text, log lines.
import { expect } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import {
  cellNames,
  makeTlsWorld,
  openServer,
  startCells,
  type TlsWorld,
} from "../../kit/scenes/tls_cells.ts";
import {
  type Came,
  type Destination,
  overBoth,
  type SharedFolder,
  sharedFolder,
} from "../../kit/scenes/tls_pair.ts";
import { serverOf, SETTINGS_CELLS, type SettingsCell } from "../../kit/scenes/tls_settings_cells.ts";
import { selfMadeAuthority } from "../../kit/memory/authority.ts";
import { createHash, createPublicKey, X509Certificate } from "node:crypto";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "postfix",
  "openssl",
  "dist/mta",
  "root",
);

const stops: (() => unknown)[] = [];
let world: TlsWorld;
let folder: SharedFolder;
let came: readonly [postfix: Came, ours: Came];

beforeAll(() => {
  world = makeTlsWorld();
  folder = sharedFolder();
  stops.push(() => folder.remove());
});
afterAll(async () => {
  for (const stop of stops) await stop();
});

describe("a policy and a server come to the same as in Postfix", () => {
  beforeAll(async () => {
    const cells = await startCells(world, folder.file);
    stops.push(...cells.map(({ close }) => close));
    const policies = cells.map(({ port, policy }) => `[localhost]:${port} ${policy}\n`).join("");
    const main = {
      smtp_tls_policy_maps: `texthash:${folder.file("policy", policies)}`,
      smtp_tls_CAfile: folder.file("ca.pem", world.root.certificate),
      smtp_tls_loglevel: "1",
      smtp_tls_note_starttls_offer: "yes",
    };
    came = await overBoth({ main, master: "", destinations: cells, folder, stops });
  }, 180_000);

  test.each(cellNames())("%s", (name) => {
    const [postfix, ours] = came;
    expect(ours[name]).toEqual(postfix[name]!);
  });
});

describe("settings and a server come to the same as in Postfix", () => {
  beforeAll(async () => {
    writeFiles();
    const opened = await Promise.all(SETTINGS_CELLS.map(async (cell, i) => {
      const server = serverOf(cell, world.servers);
      const { port, close } = await openServer(server);
      stops.push(close);
      const transport = `${cell.lmtp ? "lmtp" : "smtp"}${i}`;
      return {
        name: cell.name,
        port,
        transport,
        line: masterLine(cell, transport, port, server.script.tls?.certificate),
      };
    }));
    const destinations: readonly Destination[] = opened;
    const master = opened.map(({ line }) => line).join("");
    came = await overBoth({ main: {}, master, destinations, folder, stops });
  }, 180_000);

  test.each(SETTINGS_CELLS.map(({ name }) => name))("%s", (name) => {
    const [postfix, ours] = came;
    expect(ours[name]).toEqual(postfix[name]!);
  });
});

describe("a message that has waited goes in the clear where it may, as in Postfix", () => {
  const rows = [
    ["may", "handshake is garbage"],
    ["may", "no certificate"],
    ["may", "certificate wanted"],
    ["may", "gone at MAIL"],
    ["may", "STARTTLS refused for now"],
    ["encrypt", "handshake is garbage"],
    ["encrypt", "gone at MAIL"],
  ] as const;
  const nameOf = ([policy, kind]: (typeof rows)[number]) => `${policy}: ${kind}`;

  beforeAll(async () => {
    const opened = await Promise.all(rows.map(async (row) => {
      const server = await openServer(world.servers[row[1]]);
      stops.push(server.close);
      return {
        name: nameOf(row),
        port: server.port,
        policy: row[0],
        awaits: row[0] === "may" ? "sent" as const : 3,
      };
    }));
    const policies = opened.map(({ port, policy }) => `[localhost]:${port} ${policy}\n`).join("");
    const main = {
      smtp_tls_policy_maps: `texthash:${folder.file("fallback", policies)}`,
      smtp_tls_CAfile: folder.file("ca.pem", world.root.certificate),
      smtp_tls_loglevel: "1",
      minimal_backoff_time: "2s",
      maximal_backoff_time: "4s",
      queue_run_delay: "2s",
    };
    came = await overBoth({ main, master: "", destinations: opened, folder, stops });
  }, 180_000);

  test.each(rows.map(nameOf))("%s", (name) => {
    const [postfix, ours] = came.map((each) => [...new Set(each[name])].sort());
    expect(ours!).toEqual(postfix!);
  });
});

/** The files that rows name. */
function writeFiles(): void {
  const { root, between, stranger, servers } = world;
  const client = root.issue({ name: "client.example.com", purpose: "clientAuth" });
  const strange = selfMadeAuthority("strange client");
  const key = createPublicKey(between.certificate).export({ type: "spki", format: "pem" }).toString();
  const files: Readonly<Record<string, string>> = {
    "ca.pem": root.certificate,
    "between.pem": between.certificate,
    "between.key": key,
    "stranger.pem": stranger.certificate,
    "expired.pem": servers.expired.script.tls!.certificate,
    "client.pem": client.certificate,
    "client.key": client.key,
    "client.chain": client.key + client.certificate,
    "stranger.chain": strange.key + strange.certificate,
  };
  for (const [name, text] of Object.entries(files)) folder.file(name, text);
  const hashed = Bun.spawnSync([
    "openssl",
    "x509",
    "-hash",
    "-noout",
    "-in",
    folder.file("ca.pem", root.certificate),
  ]);
  folder.file(`authorities/${hashed.stdout.toString().trim()}.0`, root.certificate);
}

const USUAL = { tls_loglevel: "1", tls_CAfile: "FILE:ca.pem" };

function masterLine(
  { settings, lmtp, name }: SettingsCell,
  transport: string,
  port: number,
  certificate: string | undefined,
): string {
  const program = lmtp ? "lmtp" : "smtp";
  const options = Object.entries({ ...USUAL, ...settings }).map(([parameter, text]) => {
    const value = text.startsWith("SITE:")
      ? `texthash:${
        folder.file(
          `${parameter}-${name.replace(/\W/g, "_")}`,
          text.slice(5).replaceAll("PORT", String(port)),
        )
      }`
      : text.replaceAll("FILE:", folder.file("x", "").slice(0, -1)).replace(
        "PRINT",
        () => printOf(certificate, settings),
      );
    return ` -o { ${program}_${parameter} = ${value} }`;
  });
  return `${transport} unix - - n - - ${program}${options.join("")}\n`;
}

function printOf(
  certificate: string | undefined,
  { tls_fingerprint_digest = "sha256" }: SettingsCell["settings"],
): string {
  if (certificate === undefined || certificate === "") return "";
  return createHash(tls_fingerprint_digest).update(new X509Certificate(certificate).raw).digest("hex");
}
