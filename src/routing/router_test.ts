import { expect, test } from "bun:test";
import { policyKit } from "../../test/kit/policy.ts";
import { createRouter, probeSettings } from "./router.ts";

const MAIN = `
compatibility_level = 3.6
myhostname = mail.example.com
mydomain = example.com
mydestination = example.com
relay_domains = relay.example
virtual_mailbox_domains = vmail.example
virtual_alias_domains = alias.example
`;

test.each([
  ["bob@example.com", "local", "local", "mail.example.com"],
  ["bob@vmail.example", "virtual mailbox", "virtual", "vmail.example"],
  ["bob@alias.example", "virtual alias", "error", "5.1.1 User unknown in virtual alias table"],
  ["bob@relay.example", "relay", "relay", "relay.example"],
  ["bob@other.example", "default", "smtp", "other.example"],
  ["bob@192.0.2.1", "default", "error", "5.1.3 bad address syntax"],
  ["-bob@example.com", "local", "error", "5.1.3 bad address syntax"],
  ["bob@[127.0.0.1]", "local", "local", "mail.example.com"],
])("route() sends %s as %s by %s to %s", (recipient, kind, transport, nexthop) => {
  expect(policyKit(MAIN).router.route("", recipient)).toMatchObject({
    is: "route",
    class: kind,
    transport,
    nexthop,
  });
});

test("a list that cannot be asked is trouble, never another class", () => {
  const { router } = policyKit(`${MAIN}virtual_mailbox_domains = fail:broken\n`);
  expect(router.route("", "bob@other.example")).toMatchObject({ is: "trouble" });
  expect(router.route("", "bob@example.com")).toMatchObject({ is: "route", class: "local" });
});

test("a null transport is trouble that names its parameter", () => {
  const { router } = policyKit(`${MAIN}relay_transport = :host\n`);
  const route = router.route("", "bob@relay.example");
  expect(route).toMatchObject({ is: "trouble", why: expect.stringContaining("relay_transport") });
});

test("probes take the ways of address_verify_*", () => {
  const { settings, local, openTables } = policyKit(`${MAIN}address_verify_relayhost = [probe.example]\n`);
  const router = createRouter(probeSettings(settings), local, openTables);
  expect(router.route("", "bob@other.example")).toMatchObject({ nexthop: "[probe.example]" });
});
