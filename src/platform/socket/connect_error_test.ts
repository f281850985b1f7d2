// In a network of its own: routes that refuse, and a neighbour that does not answer.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { withPeers } from "../../../test/kit/peers.ts";

const { test } = withPeers(import.meta.path, "root", "ip");

const SCRIPT = `
import { connect } from "${join(import.meta.dirname, "connection.ts")}";
import { systemErrorText } from "${join(import.meta.dirname, "../system_error.ts")}";
const handler = { data() {}, end() {}, drain() {}, timeout() {}, close() {} };
for (const host of process.argv.slice(1)) {
  const why = await connect({ host, port: 25 }, { timeout: 10_000 }, () => handler).then(() => "connected", systemErrorText);
  console.log(host, why);
}
process.exit(0);
`;

test(
  "a connection that fails says why: no route, no network, forbidden, refused",
  () => {
    const network = [
      "ip link set lo up",
      "ip route add unreachable 10.1.0.0/16",
      "ip route add prohibit 10.2.0.0/16",
      "ip link add v0 type veth peer name v1",
      "ip addr add 10.8.0.1/24 dev v0",
      "ip link set v0 up",
      "ip link set v1 up",
      'exec "$@"',
    ].join("; ");
    const hosts = ["10.1.0.1", "10.2.0.1", "10.4.0.1", "10.8.0.9", "2001:db8::1", "127.0.0.1"];
    const command = [process.execPath, "--no-install", "-e", SCRIPT, ...hosts];
    const { stdout } = spawnSync("unshare", ["-n", "sh", "-c", network, "sh", ...command], {
      encoding: "utf8",
    });
    expect(stdout.trimEnd().split("\n")).toEqual([
      "10.1.0.1 No route to host",
      "10.2.0.1 Permission denied",
      "10.4.0.1 Network is unreachable",
      "10.8.0.9 No route to host",
      "2001:db8::1 Network is unreachable",
      "127.0.0.1 Connection refused",
    ]);
  },
  30_000,
);
