import { expect, test } from "bun:test";
import { policyKit } from "../../test/kit/policy.ts";

const MAIN = `
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
relay_domains = relay.example
relayhost = [gw.example]
sender_dependent_relayhost_maps = inline:{ ann@x.example=[ann.example], @x.example=[x.example], no@x.example=DUNNO, <>=[null.example] }
sender_dependent_default_transport_maps = inline:{ ann@x.example=slow, bob@x.example=slow:[own.example], <>=null: }
`;

const { router } = policyKit(MAIN);

test.each([
  ["ann@x.example", "bob@other.example", "slow", "[ann.example]"],
  ["bob@x.example", "bob@other.example", "slow", "[own.example]"],
  ["eve@x.example", "bob@other.example", "smtp", "[x.example]"],
  ["no@x.example", "bob@other.example", "smtp", "[gw.example]"],
  ["eve@y.example", "bob@other.example", "smtp", "[gw.example]"],
  ["", "bob@other.example", "null", "[null.example]"],
  ["ann@x.example", "bob@relay.example", "relay", "[ann.example]"],
  ["eve@y.example", "bob@relay.example", "relay", "[gw.example]"],
  ["ann@x.example", "bob@example.com", "local", "mail.example.com"],
])("mail of <%s> to %s goes by %s to %s", (sender, recipient, transport, nexthop) => {
  expect(router.route(sender, recipient)).toMatchObject({ transport, nexthop });
});

test("a table in trouble is trouble where it is asked, and only there", () => {
  const broken = policyKit(`${MAIN}sender_dependent_relayhost_maps = fail:broken\n`).router;
  expect(broken.route("ann@x.example", "bob@other.example")).toMatchObject({ is: "trouble" });
  expect(broken.route("ann@x.example", "bob@example.com")).toMatchObject({ is: "route", transport: "local" });
});
