// A container whose clients all come from its default gateway, as behind a userland proxy: two network namespaces joined by a
// cable, the compiled binary in the one, the world in the other. Needs root, iproute2 and swaks.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BINARY } from "../../kit/server.ts";
import { tied } from "../../kit/servers/tied_child.ts";
import { withPeers } from "../../kit/peers.ts";

const { test: inside } = withPeers(import.meta.path, "dist/mta", "root", "ip", "swaks", "nc");

setDefaultTimeout(180_000);

const ROOT = resolve(import.meta.dirname, "../../..");

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
ip addr add 172.30.77.1/24 dev outer && ip addr add 172.30.77.3/24 dev outer && ip link set outer up
unshare --net --mount sh -c "$CONTAINER" &
while [ ! -s "$DIRECTORY/pid" ]; do sleep 0.02; done
ip link set inner netns "$(cat "$DIRECTORY/pid")" && touch "$DIRECTORY/plugged"
for try in $(seq 400); do nc -z -w 1 172.30.77.2 2525 2> /dev/null && break; sleep 0.05; done
for client in $CLIENTS; do
  echo "client $client"
  swaks --server 172.30.77.2 --port 2525 --local-interface $client --helo mail.stranger.example --quit-after RCPT \\
    --from someone@stranger.example --to victim@elsewhere.example
done
kill "$(cat "$DIRECTORY/pid")"
wait`;

/** The container's default gateway, and another container of its network. */
const [GATEWAY, NEIGHBOUR] = ["172.30.77.1", "172.30.77.3"];

/** What is the container's own, whatever it is set up for. */
const place = (directory: string) => ({
  inet_protocols: "ipv4",
  smtpd_peername_lookup: "no",
  mail_owner: "nobody",
  worker_processes: "1",
  http_listen: "",
  maillog_file: "/dev/stdout",
  queue_directory: `${directory}/queue`,
  data_directory: `${directory}/data`,
});

interface Asked {
  /** What each client is told to its RCPT, by its address. */
  readonly replies: Readonly<Record<string, string | undefined>>;
  readonly log: string;
}

/** Dialogues of clients with a container whose configuration folder `prepare` fills, and the server's log. */
function ask(
  clients: readonly string[],
  prepare: (config: string, directory: string) => void,
  environment: (directory: string) => Readonly<Record<string, string>> = () => ({}),
): Asked {
  const directory = mkdtempSync(join(tmpdir(), "mta-gateway-"));
  directories.push(directory);
  chmodSync(directory, 0o755);
  for (const name of ["config", "queue", "data"]) mkdirSync(join(directory, name));
  prepare(join(directory, "config"), directory);
  // In a namespace of processes, so that its end is the end of all.
  const world = ["--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
  const [program, ...args] = tied(["unshare", ...world, "sh", "-c", HOST]);
  const own = { DIRECTORY: directory, BINARY, CONTAINER, CLIENTS: clients.join(" ") };
  const { stdout } = spawnSync(program!, args, {
    env: { ...process.env, ...own, ...environment(directory) },
    encoding: "utf8",
    timeout: 40_000,
    killSignal: "SIGKILL",
  });
  const replies = stdout.split(/^client /m).slice(1).map((text) => {
    const reply = /-> RCPT[^\n]*\n<(?:-|\*\*)\s+(.*)/.exec(text)?.[1];
    return [text.slice(0, text.indexOf("\n")), reply];
  });
  return { replies: Object.fromEntries(replies), log: readFileSync(join(directory, "log"), "utf8") };
}

/** The same for lines of main.cf. */
function askWith(settings: readonly string[], clients: readonly string[] = [GATEWAY]): Asked {
  return ask(clients, (config, directory) => {
    const main = [
      "compatibility_level = 3.6",
      "myhostname = mail.example.com",
      "mydestination = example.com",
      "inet_interfaces = all",
      "default_privs = daemon",
      "alias_maps =",
      "alias_database =",
      ...Object.entries(place(directory)).map(([name, value]) => `${name} = ${value}`),
      ...settings,
    ];
    writeFileSync(join(config, "main.cf"), `${main.join("\n")}\n`);
    writeFileSync(join(config, "master.cf"), "2525 inet n - n - - smtpd\n");
  });
}

const DENIED = "454 4.7.1 <victim@elsewhere.example>: Relay access denied";
const TAKEN = "250 2.1.5 Ok";
const REMARK =
  `helo=<mail.stranger.example> (${GATEWAY} is this container's default gateway, which anybody may hide behind: mynetworks ` +
  `counts for it only with trust_container_gateway = yes, or with ${GATEWAY} in mynetworks by itself)`;

inside.each([
  ["its network", "mynetworks = 172.30.77.0/24"],
  ["every address", "mynetworks = 0.0.0.0/0\nsmtpd_recipient_restrictions =\nallow_open_relay = yes"],
  ["the subnets of its interfaces", "mynetworks_style = subnet"],
])(
  "a client at the container's default gateway is a stranger, though mynetworks has %s; the refusal says what to do",
  (_, setting) => {
    const { replies, log } = askWith([setting], [GATEWAY, NEIGHBOUR]);
    expect(replies).toEqual({ [GATEWAY]: DENIED, [NEIGHBOUR]: TAKEN });
    expect(log).toContain(`warning: mynetworks contains ${GATEWAY}, this container's default gateway`);
    expect(log).toContain(
      `NOQUEUE: reject: RCPT from unknown[${GATEWAY}]: ${DENIED}; from=<someone@stranger.example> `,
    );
    expect(log).toContain(REMARK);
  },
);

inside.each([
  ["trust_container_gateway = yes", ["mynetworks = 172.30.77.0/24", "trust_container_gateway = yes"]],
  ["its address in mynetworks", [`mynetworks = 172.30.77.0/24, ${GATEWAY}`]],
])("it is trusted where that is stated: %s", (_, settings) => {
  const { replies, log } = askWith(settings);
  expect(replies).toEqual({ [GATEWAY]: TAKEN });
  expect(log).not.toContain("default gateway");
});

inside("a refusal that mynetworks has no part in is as Postfix logs it", () => {
  const { replies, log } = askWith(["mynetworks = 127.0.0.0/8"]);
  expect(replies).toEqual({ [GATEWAY]: DENIED });
  expect(log).toMatch(/reject: RCPT .* helo=<mail\.stranger\.example>$/m);
});

/** The set-ups that the README shows as `docker run` with the settings of each. */
const SET_UPS = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^ *docker run .*$/gm)].map((
  [line],
) =>
  Object.fromEntries(
    [...line.matchAll(/-e (MTA_\w+)=(?:'([^']*)'|(\S+))/g)].map((
      [, name, quoted, bare],
    ) => [name!, quoted ?? bare!]),
  )
);

function askContainer(setUp: Readonly<Record<string, string>>): Asked {
  const environment = (directory: string) => {
    const own = { ...place(directory), log_format: "text", default_privs: "daemon" };
    return {
      ...Object.fromEntries(Object.entries(own).map(([name, value]) => [`MTA_${name}`, value])),
      ...setUp,
    };
  };
  return ask(
    [GATEWAY, NEIGHBOUR],
    (config) => cpSync(join(ROOT, "config/container"), config, { recursive: true }),
    environment,
  );
}

inside("the README's server for the world, with the image's configuration, relays for nobody", () => {
  const { replies } = askContainer(SET_UPS[0]!);
  const refused = DENIED.replace("454 4", "554 5");
  expect(replies).toEqual({ [GATEWAY]: refused, [NEIGHBOUR]: refused });
});

inside(
  "the README's relay for other containers serves those of its network and those that come through the gateway",
  () => {
    expect(SET_UPS).toHaveLength(2);
    const { replies, log } = askContainer(SET_UPS[1]!);
    expect(replies).toEqual({ [GATEWAY]: TAKEN, [NEIGHBOUR]: TAKEN });
    expect(log).not.toContain("default gateway");
  },
);
