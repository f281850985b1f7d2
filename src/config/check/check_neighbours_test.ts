import { expect, test } from "bun:test";
import { fakeUsers, fakeWorld } from "../../../test/kit/memory/config_world.ts";
import { printDiagnostic } from "../syntax/diagnostic.ts";
import { loadConfiguration } from "../load.ts";
import type { World } from "../world.ts";

function warnings(main: string, address: string, prefix: number): string[] {
  const world: World = {
    ...fakeWorld({ "/etc/mta/main.cf": `myhostname = mx.example.com\n${main}` }),
    interfaceAddresses: () => [
      { interface: "lo", address: "127.0.0.1", family: 4, prefix: 8, loopback: true },
      { interface: "eth0", address, family: address.includes(":") ? 6 : 4, prefix, loopback: false },
    ],
  };
  const loaded = loadConfiguration({ directory: "/etc/mta", world, users: fakeUsers });
  return loaded.warnings.map(printDiagnostic).filter((text) => text.includes("lets every machine"));
}

test.each([
  ["compatibility_level = 3.6\n", "198.51.100.7", 24, undefined],
  [
    "compatibility_level = 0\n",
    "198.51.100.7",
    24,
    "mynetworks_style = subnet lets every machine in 198.51.100.0/24 relay",
  ],
  [
    "mynetworks_style = class\n",
    "5.6.7.8",
    24,
    "mynetworks_style = class lets every machine in 5.0.0.0/8 relay",
  ],
  [
    "mynetworks_style = subnet\n",
    "2001:db8::7",
    64,
    "mynetworks_style = subnet lets every machine in [2001:db8::]/64 relay",
  ],
  ["mynetworks_style = subnet\n", "172.17.0.2", 16, undefined],
  [
    "mynetworks_style = subnet\n",
    "172.32.0.2",
    16,
    "mynetworks_style = subnet lets every machine in 172.32.0.0/16 relay",
  ],
  ["mynetworks_style = subnet\n", "fd00::7", 64, undefined],
  ["mynetworks_style = subnet\n", "198.51.100.7", 32, undefined],
  ["mynetworks_style = subnet\nmynetworks = 198.51.100.0/24\n", "198.51.100.7", 24, undefined],
])("%j at %s/%d", (main, address, prefix, want) => {
  const found = warnings(main, address, prefix);
  expect(found).toHaveLength(want === undefined ? 0 : 1);
  if (want !== undefined) expect(found[0]).toStartWith(`mynetworks is not set, and ${want} (`);
});
