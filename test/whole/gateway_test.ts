// A container whose clients all come from its default gateway, as behind a userland proxy: two network namespaces joined by a
// cable, the compiled binary in the one, the world in the other. Needs root, iproute2 and swaks.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, HAVE_BINARY } from "../kit/server.ts";
import { tied } from "../kit/tied_child.ts";
import { withPeers } from "../kit/peers.ts";

const { test } = withPeers(import.meta.path, "root", "ip", "swaks", "nc");

setDefaultTimeout(60_000);
const inside = test.skipIf(!HAVE_BINARY || process.getuid!() !== 0);

const directories: string[] = [];
afterEach(() => {
  for (const each of directories.splice(0)) rmSync(each, { recursive: true, force: true });
});

const CONTAINER = `mount -t tmpfs tmpfs /run && touch /run/.containerenv
echo $$ > "$DIRECTORY/pid"
while [ ! -e "$DIRECTORY/plugged" ]; do sleep 0.02; done
ip link set lo up && ip addr add 172.30.77.2/24 dev inner && ip link set inner up && ip route add default via 172.30.77.1
exec "$BINARY" -c "$DIRECTORY/config" serve > "$DIRECTORY/log" 2>&1`;

const HOST = `ip link set lo up && ip link add outer type veth peer name inner
ip addr add 172.30.77.1/24 dev outer && ip link set outer up
unshare --net --mount sh -c "$CONTAINER" &
while [ ! -s "$DIRECTORY/pid" ]; do sleep 0.02; done
ip link set inner netns "$(cat "$DIRECTORY/pid")" && touch "$DIRECTORY/plugged"
for try in $(seq 400); do nc -z -w 1 172.30.77.2 2525 2> /dev/null && break; sleep 0.05; done
swaks --server 172.30.77.2 --port 2525 --helo mail.stranger.example --from someone@stranger.example \\
  --to victim@elsewhere.example --quit-after RCPT
kill "$(cat "$DIRECTORY/pid")"
wait`;

/** The dialogue of a client whose address is the container's default gateway, and the server's log. */
function askFromGateway(settings: readonly string[]): { readonly dialogue: string; readonly log: string } {
  for (const tool of ["ip", "unshare", "swaks", "nc"]) {
    if (Bun.which(tool) === null) {
      throw new Error(`no ${tool}: install iproute2, util-linux, swaks, netcat-openbsd`);
    }
  }
  const directory = mkdtempSync(join(tmpdir(), "mta-gateway-"));
  directories.push(directory);
  chmodSync(directory, 0o755);
  for (const name of ["config", "queue", "data"]) mkdirSync(join(directory, name));
  const main = [
    "compatibility_level = 3.6",
    "myhostname = mail.example.com",
    "mydestination = example.com",
    "inet_interfaces = all",
    "inet_protocols = ipv4",
    "smtpd_peername_lookup = no",
    "mail_owner = nobody",
    "default_privs = daemon",
    "alias_maps =",
    "alias_database =",
    "worker_processes = 1",
    "http_listen =",
    "maillog_file = /dev/stdout",
    `queue_directory = ${directory}/queue`,
    `data_directory = ${directory}/data`,
    ...settings,
  ];
  writeFileSync(join(directory, "config/main.cf"), `${main.join("\n")}\n`);
  writeFileSync(join(directory, "config/master.cf"), "2525 inet n - n - - smtpd\n");
  // In a namespace of processes, so that its end is the end of all.
  const world = ["--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
  const [program, ...args] = tied(["unshare", ...world, "sh", "-c", HOST]);
  const { stdout } = spawnSync(program!, args, {
    env: { ...process.env, DIRECTORY: directory, BINARY, CONTAINER },
    encoding: "utf8",
    timeout: 40_000,
    killSignal: "SIGKILL",
  });
  return { dialogue: stdout, log: readFileSync(join(directory, "log"), "utf8") };
}

inside("a client at the container's default gateway is a stranger, though mynetworks has its network", () => {
  const { dialogue, log } = askFromGateway(["mynetworks = 172.30.77.0/24"]);
  expect(dialogue).toContain("<** 454 4.7.1 <victim@elsewhere.example>: Relay access denied");
  expect(log).toContain("warning: mynetworks contains 172.30.77.1, this container's default gateway");
});

inside("it is trusted where that is stated", () => {
  const { dialogue, log } = askFromGateway(["mynetworks = 172.30.77.0/24", "trust_container_gateway = yes"]);
  expect(dialogue).toContain("<-  250 2.1.5 Ok");
  expect(log).not.toContain("default gateway");
});
