import type { SystemUsers } from "../../../src/config/check/check_users.ts";
import type { World } from "../../../src/config/world.ts";

/** A machine for configuration tests: `mx` with three addresses, and the files that are given. */
export function fakeWorld(files: Readonly<Record<string, string>> = {}, name = "mx"): World {
  const address = (of: string, text: string, prefix: number, loopback = false) => ({
    interface: of,
    address: text,
    family: text.includes(":") ? 6 as const : 4 as const,
    prefix,
    loopback,
  });
  const hosts: Readonly<Record<string, readonly string[]>> = {
    "mx.example.com": ["192.0.2.10"],
    localhost: ["127.0.0.1", "::1"],
  };
  return {
    hostName: () => name,
    interfaceAddresses: () => [
      address("lo", "127.0.0.1", 8, true),
      address("lo", "::1", 128, true),
      address("eth0", "192.0.2.10", 24),
      address("eth0", "2001:db8::10", 64),
    ],
    lookupHost: (host) => hosts[host] ?? [],
    tcpPort: (service) => ({ smtp: 25, http: 80 })[service],
    readText: (path) =>
      Object.hasOwn(files, path)
        ? { text: files[path]! }
        : { error: "No such file or directory", code: "ENOENT" },
    processId: 42,
    processName: "test",
  };
}

/** Users `mail` (8), `postfix` (100) and `nobody` (65534); root asks. */
export const fakeUsers: SystemUsers = {
  userByName: (name) => USERS.find((user) => user.name === name),
  userById: (uid) => USERS.find((user) => user.uid === uid),
  isRoot: true,
};

const USERS = [
  { name: "root", uid: 0, gid: 0 },
  { name: "mail", uid: 8, gid: 8 },
  { name: "postfix", uid: 100, gid: 100 },
  { name: "twin", uid: 100, gid: 101 },
  { name: "wheel", uid: 200, gid: 0 },
  { name: "nobody", uid: 65_534, gid: 65_534 },
];
