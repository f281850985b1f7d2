import { expect, test } from "bun:test";
import { fakeUsers, fakeWorld } from "../../test/kit/memory/config_world.ts";
import { defaultGateways, inContainer, mentionOf } from "./container_gateway.ts";
import { printDiagnostic } from "./syntax/diagnostic.ts";
import { loadConfiguration } from "./load.ts";
import { readSettings } from "./read_settings.ts";

const ROUTE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
const ROUTE6 = `fd000000000000000000000000000000 40 ${"0".repeat(32)} 00 ${
  "0".repeat(32)
} 00000100 00000001 00000000 00000001     eth0
${"0".repeat(32)} 00 ${
  "0".repeat(32)
} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0
`;
const DOCKER = { "/.dockerenv": "", "/proc/net/route": ROUTE, "/proc/net/ipv6_route": ROUTE6 };

test.each([
  [{ "/.dockerenv": "" }, true],
  [{ "/run/.containerenv": "engine=podman\n" }, true],
  [{ "/proc/1/cgroup": "12:pids:/kubepods/burstable/pod1/2\n" }, true],
  [{ "/proc/1/cgroup": "0::/init.scope\n" }, false],
  [{ "/proc/self/mountinfo": "1 0 0:30 / / rw - overlay overlay rw,lowerdir=/a\n" }, true],
  [{
    "/proc/self/mountinfo":
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:30 / /var/lib/x rw - overlay overlay rw\n",
  }, false],
  [{}, false],
])("inContainer(%j) is %p", (files, want) => {
  expect(inContainer(fakeWorld(files as Record<string, string>))).toBe(want);
});

test("defaultGateways() reads both of the kernel's tables", () => {
  expect(defaultGateways(fakeWorld(DOCKER))).toEqual(["172.17.0.1", "fd00::1"]);
});

test.each([
  ["172.17.0.0/16", "within"],
  ["127.0.0.0/8, 172.16.0.0/12 10.0.0.0/8", "within"],
  ["172.17.0.0/16, 172.17.0.1", "named"],
  ["172.17.0.1/32", "named"],
  ["!172.17.0.1, 172.17.0.0/16", "no"],
  ["!10.0.0.1, 172.17.0.0/16", "within"],
  ["10.0.0.0/8", "no"],
  ["cidr:/etc/networks", "perhaps"],
  ["[::1]/128, ::/0", "no"],
  ["/etc/mta/networks", "within"],
])("mentionOf() sees 172.17.0.1 in %j: %s", (mynetworks, want) => {
  const world = fakeWorld({ "/etc/mta/networks": "# ours\n10.0.0.0/8\n172.17.0.0/16\n" });
  expect(mentionOf("172.17.0.1", mynetworks, world)).toBe(want as ReturnType<typeof mentionOf>);
});

function load(main: string, files: Readonly<Record<string, string>>, master = "smtp inet n - n - - smtpd\n") {
  const world = fakeWorld({
    ...files,
    "/etc/mta/main.cf": `compatibility_level = 3.6\nmyhostname = mx.example.com\n${main}`,
    "/etc/mta/master.cf": master,
  });
  const loaded = loadConfiguration({ directory: "/etc/mta", world, users: fakeUsers });
  if (loaded.is === "bad") throw new Error(loaded.errors.map(printDiagnostic).join("\n"));
  const { configuration, warnings } = loaded;
  const gateway = warnings.map(printDiagnostic).filter((text) => text.includes("default gateway"));
  return { configuration, gateway, world };
}

test("a container's default gateway inside mynetworks is not trusted, wherever mynetworks is used, and a warning says so", () => {
  const { configuration, gateway, world } = load("mynetworks = 172.17.0.0/16\n", DOCKER);
  expect(configuration.settings.mynetworks).toBe("!172.17.0.1, 172.17.0.0/16");
  expect(configuration.services[0]!.settings.mynetworks).toBe("!172.17.0.1, 172.17.0.0/16");
  expect(configuration.settings.smtpd_client_event_limit_exceptions).toContain("!172.17.0.1");
  expect(gateway).toHaveLength(1);
  expect(gateway[0]).toContain("mynetworks contains 172.17.0.1, this container's default gateway");
  expect(gateway[0]).toContain(
    "line 3; 172.17.0.1 in mynetworks, by itself, or trust_container_gateway = yes",
  );
  expect(readSettings({ directory: "/etc/mta", world }).settings.mynetworks).toBe("172.17.0.0/16");
});

test.each([
  ["mynetworks = 172.17.0.0/16, 172.17.0.1\n", DOCKER],
  ["mynetworks = 172.17.0.0/16\ntrust_container_gateway = yes\n", DOCKER],
  ["mynetworks = 10.0.0.0/8\n", DOCKER],
  ["mynetworks = 172.17.0.0/16\n", { ...DOCKER, "/.dockerenv": undefined }],
])("%j is left as it is where that is stated, or there is nothing to hide", (main, files) => {
  const given = Object.fromEntries(
    Object.entries(files).filter((each): each is [string, string] => each[1] !== undefined),
  );
  const { configuration, gateway } = load(main, given);
  expect(configuration.settings.mynetworks).not.toContain("!");
  expect(gateway).toEqual([]);
});

test("the built-in mynetworks and that of a service are treated alike", () => {
  const route = ROUTE.replace("010011AC", "010200C0");
  const files = { "/.dockerenv": "", "/proc/net/route": route };
  const master = "smtp inet n - n - - smtpd -o mynetworks=192.0.0.0/16\n";
  const { configuration, gateway } = load("mynetworks_style = subnet\n", files, master);
  expect(configuration.settings.mynetworks).toStartWith("!192.0.2.1, ");
  expect(configuration.services[0]!.settings.mynetworks).toBe("!192.0.2.1, 192.0.0.0/16");
  expect(gateway).toHaveLength(2);
});

test("the services of a configuration ask the machine about its gateways once", () => {
  const read: string[] = [];
  const world = fakeWorld({
    ...DOCKER,
    "/etc/mta/main.cf": "mynetworks = 172.17.0.0/16\n",
    "/etc/mta/master.cf": "smtp inet n - n - - smtpd\n587 inet n - n - - smtpd\n465 inet n - n - - smtpd\n",
  });
  const counted = { ...world, readText: (path: string) => (read.push(path), world.readText(path)) };
  const loaded = loadConfiguration({ directory: "/etc/mta", world: counted, users: fakeUsers });
  expect(loaded.is).toBe("loaded");
  if (loaded.is !== "loaded") return;
  for (const { settings } of loaded.configuration.services) {
    expect(settings.mynetworks).toBe("!172.17.0.1, 172.17.0.0/16");
  }
  expect(read.filter((path) => path === "/proc/net/route")).toHaveLength(1);
});
