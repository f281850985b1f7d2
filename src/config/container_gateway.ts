import { formatIp, parseIp } from "../address/ip.ts";
import { contains, parseNetwork } from "../address/network.ts";
import { splitMatchList } from "./syntax/list.ts";
import type { World } from "./world.ts";

/** Files that container engines put into a container: Docker, Podman. */
const MARKS = ["/.dockerenv", "/run/.containerenv"];
/** Control groups of process 1 where the host still shows through (cgroups(7), version 1). */
const CONTAINER_GROUP = /docker|kubepods|containerd|libpod|crio|lxc/;
/** A root file system in layers (proc(5), mountinfo): what containerd and Kubernetes leave no other mark of. */
const LAYERED_ROOT = /^\d+ \d+ \S+ \S+ \/ .* - (?:overlay|fuse-overlayfs) /m;

/** Whether this is the inside of a container. */
export function inContainer(world: World): boolean {
  const text = (path: string) => {
    const read = world.readText(path);
    return "text" in read ? read.text : undefined;
  };
  return MARKS.some((path) => text(path) !== undefined) ||
    CONTAINER_GROUP.test(text("/proc/1/cgroup") ?? "") ||
    LAYERED_ROOT.test(text("/proc/self/mountinfo") ?? "");
}

/** RTF_GATEWAY of a route's flags (route(8)). */
const GATEWAY = 0x2;

/** The default gateways, as the kernel has them (proc(5)); the addresses of /proc/net/route are in the order of Intel and ARM. */
export function defaultGateways(world: World): string[] {
  const lines = (path: string) => {
    const read = world.readText(path);
    return "text" in read ? read.text.split("\n").map((line) => line.trim().split(/\s+/)) : [];
  };
  const v4 = lines("/proc/net/route").flatMap(([, destination, gateway = "", flags = "0"]) =>
    destination === "00000000" && isGateway(flags) ? addressOf(gateway, true) : []
  );
  const v6 = lines("/proc/net/ipv6_route").flatMap(([destination, length, , , hop = "", , , , flags = "0"]) =>
    /^0{32}$/.test(destination ?? "") && length === "00" && isGateway(flags) ? addressOf(hop, false) : []
  );
  return [...new Set([...v4, ...v6])];
}

function isGateway(flags: string): boolean {
  return (parseInt(flags, 16) & GATEWAY) !== 0;
}

function addressOf(hex: string, swapped: boolean): string[] {
  const bytes = hex.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? [];
  if (bytes.length !== 4 && bytes.length !== 16) return [];
  const family = bytes.length === 4 ? 4 as const : 6 as const;
  return [formatIp({ family, bytes: Uint8Array.from(swapped ? bytes.reverse() : bytes) })];
}

/** How a list of client patterns sees an address. */
export type Mention = "named" | "within" | "perhaps" | "no";

/**
 * Whether a value of mynetworks names an address itself, contains it in a network, or has tables that only a lookup can tell.
 * Files that it names are read.
 */
export function mentionOf(address: string, mynetworks: string, world: World, depth = 0): Mention {
  const ip = parseIp(address);
  if (ip === undefined || depth > 3) return "no";
  let found: Mention = "no";
  for (const item of splitMatchList(mynetworks).items) {
    if (item.startsWith("!")) {
      if (mentionBy(item.slice(1), ip) !== "no") break;
      continue;
    }
    const mention = item.startsWith("/")
      ? mentionInFile(address, item, world, depth)
      : item.includes(":") && !item.startsWith("[") && parseIp(item) === undefined &&
          !/^[0-9a-f:]+\/\d+$/i.test(item)
      ? "perhaps"
      : mentionBy(item, ip);
    if (mention === "named") return mention;
    if (mention === "within" || (mention === "perhaps" && found === "no")) found = mention;
  }
  return found;
}

function mentionBy(item: string, ip: NonNullable<ReturnType<typeof parseIp>>): Mention {
  const network = parseNetwork(item);
  if ("malformed" in network || !contains(network, ip)) return "no";
  return network.length === ip.bytes.length * 8 ? "named" : "within";
}

function mentionInFile(address: string, path: string, world: World, depth: number): Mention {
  const read = world.readText(path);
  if (!("text" in read)) return "no";
  const items = read.text.split("\n").filter((line) => !line.startsWith("#")).join("\n");
  return mentionOf(address, items, world, depth + 1);
}

/**
 * The default gateways of this container that mynetworks contains without naming them. Behind such an address a userland proxy
 * (docker-proxy, slirp4netns, pasta) hides every client.
 */
export function hiddenGateways(mynetworks: string, world: World): { address: string; mention: Mention }[] {
  if (!inContainer(world)) return [];
  return defaultGateways(world).map((address) => ({
    address,
    mention: mentionOf(address, mynetworks, world),
  }))
    .filter(({ mention }) => mention === "within" || mention === "perhaps");
}
