import { expect, test } from "bun:test";
import { defaultSettings } from "../../../../test/kit/scenes/smtp_delivery.ts";
import type { DnsAnswer } from "../../../dns/answer.ts";
import { parseHosts } from "../../../dns/hosts.ts";
import type { Resolver } from "../../../dns/resolver.ts";
import { domainTargets, hostTargets, type LookupContext } from "./address_list.ts";
import { type ClientParameters, clientSettings } from "../client_settings.ts";
import { parseDestination } from "./smtp_destination.ts";
import { parseServices } from "./services_file.ts";
import { chanceOf } from "../../../../test/kit/chance.ts";

const chance = chanceOf(import.meta.path);

/** Hosts `mN` with addresses by name; MX records of any domain. */
function context(
  mx: readonly (readonly [number, string])[],
  addresses: Readonly<Record<string, readonly string[]>>,
  settings: Partial<ClientParameters> = {},
  random = () => 0,
): LookupContext {
  const none = { is: "nxdomain", authentic: false } as const;
  const resolver: Resolver = {
    query: async () => none,
    ptr: async () => none,
    txt: async () => none,
    tlsa: async () => none,
    mx: async (): Promise<DnsAnswer<"MX">> => ({
      is: "records",
      canonical: "",
      authentic: false,
      records: mx.map(([preference, exchange]) => ({ type: "MX", name: "x", ttl: 1, preference, exchange })),
    }),
    addresses: async (name, families) => {
      const found = (addresses[name] ?? []).map((address) => ({
        address,
        family: address.includes(":") ? 6 as const : 4 as const,
        ttl: 1,
        owner: { canonical: `canonical.${name}`, authentic: name === "m1" },
      })).filter(({ family }) => families.includes(family));
      return found.length > 0
        ? { is: "records", addresses: found, authentic: false }
        : { ...none, type: "A" };
    },
  };
  return {
    settings: clientSettings("smtp", defaultSettings(settings)),
    resolver,
    hosts: parseHosts(""),
    isOwnAddress: () => false,
    random,
  };
}

const HOSTS = { m1: ["192.0.2.1", "2001:db8::1"], m2: ["192.0.2.2", "2001:db8::2"] };
const addressesOf = async (list: ReturnType<typeof hostTargets>) =>
  (await list).targets.map(({ address }) => address);

test("exchangers are ordered by preference, families by smtp_address_preference", async () => {
  const mx = [[20, "m2"], [10, "m1"]] as const;
  const order = (preference: string) =>
    addressesOf(domainTargets(
      context(mx, HOSTS, { smtp_address_preference: preference, smtp_randomize_addresses: false }),
      "x.example",
      true,
    ));
  expect(await order("ipv4")).toEqual(["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"]);
  expect(await order("ipv6")).toEqual(["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
  expect(await order("any")).toEqual(["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"]);
});

test("equal exchangers come in random order", async () => {
  const mx = [[10, "m1"], [10, "m2"]] as const;
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const settings = { inet_protocols: "ipv4" };
    seen.add(
      (await addressesOf(domainTargets(context(mx, HOSTS, settings, chance.random), "x.example", true)))
        .join(),
    );
  }
  expect([...seen].sort()).toEqual(["192.0.2.1,192.0.2.2", "192.0.2.2,192.0.2.1"]);
});

test("inet_protocols leaves the other family out", async () => {
  const settings = { inet_protocols: "ipv6" };
  expect(await addressesOf(hostTargets(context([], HOSTS, settings), "m1", true))).toEqual(["2001:db8::1"]);
});

test("one family does not use up all the attempts", async () => {
  const many = { m1: [...Array.from({ length: 9 }, (_, i) => `2001:db8::${i + 1}`), "192.0.2.1"] };
  const settings = { smtp_address_preference: "ipv6", smtp_randomize_addresses: false };
  const found = await addressesOf(hostTargets(context([], many, settings), "m1", true));
  expect([found.slice(0, 5).includes("192.0.2.1"), found.length]).toEqual([true, 10]);
  const off = { ...settings, smtp_balance_inet_protocols: false };
  expect((await addressesOf(hostTargets(context([], many, off), "m1", true))).at(-1)).toBe("192.0.2.1");
});

test("whether names are validated is told of the domain and of each address, of the DNS's alone", async () => {
  const mx = [[10, "m1"], [20, "m2"]] as const;
  const settings = { inet_protocols: "ipv4" };
  const list = await domainTargets(context(mx, HOSTS, settings), "x.example", true);
  expect(list.mx).toEqual({ name: "x.example", canonical: "", authentic: false });
  expect(list.targets.map(({ owner }) => owner)).toEqual([
    { canonical: "canonical.m1", authentic: true },
    { canonical: "canonical.m2", authentic: false },
  ]);
  const ownerOf = async (name: string, more: Partial<ClientParameters> = {}) =>
    (await hostTargets(context([], HOSTS, { ...settings, ...more }), name, true)).targets.map(({ owner }) =>
      owner
    );
  expect(await ownerOf("m1")).toEqual([{ canonical: "canonical.m1", authentic: true }]);
  expect(await ownerOf("m1", { smtp_host_lookup: "native" })).toEqual([undefined]);
  expect(await ownerOf("192.0.2.9")).toEqual([undefined]);
});

test("a domain with hundreds of exchangers is served by its best ones", async () => {
  const mx = Array.from({ length: 500 }, (_, i) => [i, `m${i}`] as const);
  const hosts = Object.fromEntries(mx.map(([i, name]) => [name, [`192.0.2.${i % 250}`]]));
  const { targets } = await domainTargets(context(mx, hosts), "x.example", true);
  expect([targets.length, targets[0]!.host]).toEqual([50, "m0"]);
});

test("next hops are read in all their forms", () => {
  const settings = clientSettings("smtp", defaultSettings());
  const read = (text: string) => {
    const destination = parseDestination(text, {
      defaultPort: "smtp",
      knownPorts: settings.knownPorts,
      service: (name) => parseServices("finger 79/tcp\nsmtp 25/tcp mail\n# x 1/tcp\nudp 7/udp\n").get(name),
    });
    return destination.is === "host"
      ? [destination.host, destination.port, destination.literal]
      : destination.is === "malformed"
      ? destination.why
      : destination.is;
  };
  expect(read("example.com")).toEqual(["example.com", 25, false]);
  expect(read("example.com.")).toEqual(["example.com", 25, false]);
  expect(read("example.com:587")).toEqual(["example.com", 587, false]);
  expect(read("example.com:submission")).toEqual(["example.com", 587, false]);
  expect(read("example.com:submissions")).toEqual(["example.com", 465, false]);
  expect(read("example.com:mail")).toEqual(["example.com", 25, false]);
  expect(read("[example.com]")).toEqual(["example.com", 25, true]);
  expect(read("[192.0.2.1]:finger")).toEqual(["192.0.2.1", 79, true]);
  expect(read("[2001:db8::1]:26")).toEqual(["2001:db8::1", 26, true]);
  expect(read("[IPv6:2001:db8::1]")).toEqual(["2001:db8::1", 25, true]);
  expect(read("example.com:udp")).toBe("unknown service: udp/tcp: example.com:udp");
  expect(read("example.com:99999")).toBe("bad network port: 99999 for destination: example.com:99999");
  expect(read("[example.com")).toBe("malformed host or port: [example.com");
});
