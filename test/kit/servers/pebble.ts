// An authority of ACME for tests (pebble), with the name server that it asks (pebble-challtestsrv).
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfMadeAuthority } from "../memory/authority.ts";
import { freePort } from "../server.ts";
import { until } from "../waiting.ts";
import { spawnTied } from "./tied_child.ts";

export interface Pebble {
  /** acme_directory. */
  readonly directory: string;
  /** acme_ca_file: whom the authority's own HTTPS is trusted by. */
  readonly caFile: string;
  /** Where it looks for proofs by HTTP, in place of port 80. */
  readonly httpPort: number;
  /** The same by TLS, in place of port 443. */
  readonly tlsPort: number;
  /** Who signs what it issues, PEM. */
  root(): Promise<string>;
  /** Says in the DNS where a name leads to; undefined: nowhere. */
  point(name: string, address: string | undefined): Promise<void>;
  stop(): void;
}

/** Starts it: certificates that are good for so many seconds. */
export async function startPebble(seconds: number): Promise<Pebble> {
  const folder = mkdtempSync(join(tmpdir(), "pebble-"));
  const [port, management, httpPort, tlsPort, dns, control] = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(() => freePort()),
  );
  const authority = selfMadeAuthority("Pebble HTTPS");
  const own = authority.issue({ name: "localhost", names: "DNS:localhost,IP:127.0.0.1" });
  const files = { "ca.pem": authority.certificate, "cert.pem": own.certificate, "key.pem": own.key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: "cert.pem",
        privateKey: "key.pem",
        httpPort,
        tlsPort,
        ocspResponderURL: "",
        externalAccountBindingRequired: false,
        certificateValidityPeriod: seconds,
      },
    }),
  );
  const options = {
    cwd: folder,
    stdio: "ignore",
    // Proofs are looked at without a pause; some nonces are refused, as happens.
    env: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "5", PEBBLE_AUTHZREUSE: "0" },
  } as const;
  const names = spawnTied("/usr/bin/pebble-challtestsrv", [
    ...["-dns01", `127.0.0.1:${dns}`, "-management", `127.0.0.1:${control}`],
    ...["-defaultIPv4", "", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""],
  ], options);
  const pebble = spawnTied(
    "/usr/bin/pebble",
    ["-config", "config.json", "-dnsserver", `127.0.0.1:${dns}`],
    options,
  );
  const root = () => get(`https://127.0.0.1:${management}/roots/0`, authority.certificate);
  const tell = async (what: string, body: object) => {
    const answer = await fetch(`http://127.0.0.1:${control}/${what}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`pebble-challtestsrv: ${what}: ${answer.status}`);
  };
  await until("pebble", () => root().then(() => true, () => false));
  await until("pebble-challtestsrv", () => tell("clear-a", { host: "none." }).then(() => true, () => false));
  return {
    directory: `https://127.0.0.1:${port}/dir`,
    caFile: join(folder, "ca.pem"),
    httpPort: httpPort!,
    tlsPort: tlsPort!,
    root,
    async point(name, address) {
      await tell("clear-a", { host: `${name}.` });
      if (address !== undefined) await tell("add-a", { host: `${name}.`, addresses: [address] });
    },
    stop() {
      for (const child of [pebble, names]) child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function get(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    https.get(url, { ca }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => text += chunk).on("end", () => resolve(text));
    }).on("error", reject);
  });
}
