import { expect, test } from "bun:test";
import { internalAddress } from "../address/address.ts";
import type { Returned, Srs } from "../rewrite/srs.ts";
import type { Router } from "./route.ts";
import { withSrs } from "./srs_router.ts";

/** Everything is for elsewhere, by SMTP; what is malformed or troubled says so. */
const router: Router = {
  isLocal: () => false,
  route: (_, recipient) => ({
    is: "route",
    class: "default",
    transport: "smtp",
    nexthop: "far.example",
    recipient: internalAddress(recipient),
  }),
  resolve: (_, recipient) =>
    recipient.startsWith("trouble") ? { is: "trouble", why: "no answer" } : {
      is: "resolved",
      class: "default",
      transport: "smtp",
      nexthop: "far.example",
      recipient: internalAddress(recipient),
      routed: recipient.includes("%"),
      malformed: recipient.startsWith("-"),
    },
};

function with_(back: Returned): Router {
  const srs: Srs = {
    domain: "srs.example.com",
    trouble: undefined,
    forward: () => undefined,
    reverse: () => back,
  };
  return withSrs(router, srs);
}

const returned = (address: string): Returned => ({ is: "address", address: internalAddress(address) });

test("a signed address is an alias of ours, and goes where its sender is", async () => {
  const own = with_(returned("a%b@far.example"));
  expect(await own.resolve("", "SRS0=x@srs.example.com")).toEqual({
    is: "resolved",
    class: "virtual alias",
    transport: "smtp",
    nexthop: "far.example",
    recipient: internalAddress("SRS0=x@srs.example.com"),
    routed: false,
    malformed: false,
  });
  expect(await own.route("", "SRS0=x@srs.example.com")).toMatchObject({
    recipient: "a%b@far.example",
    transport: "smtp",
  });
});

test("one that is refused goes nowhere, and is never foreign", async () => {
  const own = with_({ is: "refused", why: "it is forged" });
  const nowhere = { class: "virtual alias", transport: "error", nexthop: "5.1.1 it is forged" } as const;
  expect(await own.resolve("", "SRS0=x@srs.example.com")).toMatchObject({
    is: "resolved",
    malformed: false,
    ...nowhere,
  });
  expect(await own.route("", "SRS0=x@srs.example.com")).toMatchObject({ is: "route", ...nowhere });
});

test("trouble and what leads to no address stay what they are", async () => {
  expect(await with_({ is: "trouble", why: "no secret" }).resolve("", "SRS0=x@y")).toEqual({
    is: "trouble",
    why: "no secret",
  });
  expect(await with_({ is: "trouble", why: "no secret" }).route("", "SRS0=x@y")).toEqual({
    is: "trouble",
    why: "no secret",
  });
  expect(await with_(returned("trouble@far.example")).resolve("", "SRS0=x@y")).toMatchObject({
    is: "trouble",
  });
  expect(await with_(returned("-x@far.example")).resolve("", "SRS0=x@y")).toMatchObject({
    malformed: true,
    class: "default",
  });
});

test("all else is the router's", async () => {
  expect(await with_({ is: "plain" }).resolve("", "bob@far.example")).toMatchObject({ class: "default" });
  expect(withSrs(router, undefined)).toBe(router);
});
