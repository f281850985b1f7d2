import { expect, test } from "bun:test";
import { checkSource, type SourceFacts, sourceOf } from "./source_addresses.ts";

const routes = (address: string) => ({ address, how: "by the routes of this machine" });

function told(facts: Partial<SourceFacts>): string[] {
  const source = sourceOf({
    given: [],
    relay: undefined,
    local: [routes("203.0.113.5")],
    proxies: [],
    ...facts,
  });
  return checkSource(source).map(({ severity, found }) => `${severity}: ${found}`);
}

test("the address is the public one by which connections are made", () => {
  expect(told({})).toEqual(["ok: 203.0.113.5 (by the routes of this machine)"]);
  expect(told({ local: [routes("203.0.113.5"), routes("fd00::2")] })).toHaveLength(1);
  expect(told({ local: [routes("203.0.113.5"), { address: "2001:db8::5", how: "smtp_bind_address6" }] })[1])
    .toBe("ok: 2001:db8::5 (smtp_bind_address6)");
});

test("a private one has the proxy's in its place, or nobody knows it", () => {
  const local = [routes("10.0.0.2")];
  expect(told({ local, proxies: ["2001:db8::9", "203.0.113.9"] }))
    .toEqual(["ok: 203.0.113.9 (proxy_interfaces, before 10.0.0.2)"]);
  expect(told({ local })[0]).toStartWith("warning: mail leaves from 10.0.0.2, which is private");
  expect(told({ local: [] })[0]).toBe("warning: this machine has no way to the world");
});

test("a relay has its own, and the operator knows best", () => {
  expect(told({ relay: "[relay.example]:587" })[0])
    .toBe("warning: mail leaves by [relay.example]:587, and receivers see an address of that relay");
  expect(told({ relay: "[relay.example]:587", given: ["198.51.100.7"] }))
    .toEqual(["ok: 198.51.100.7 (as given by --ip)"]);
  expect(told({ given: ["192.168.1.1"] })[0]).toStartWith(
    "problem: 192.168.1.1 (as given by --ip) is private",
  );
});
