import { expect, test } from "bun:test";
import { discardedIn, ehloLines } from "./ehlo_keywords.ts";

test("REQUIRETLS is offered behind STARTTLS only, unless it is turned off or kept back (RFC 8689 §3)", () => {
  const offered = (requireTls: boolean, encrypted: boolean, discard = "") =>
    ehloLines(
      {
        myhostname: "m",
        messageSizeLimit: 0,
        vrfyDisabled: false,
        smtputf8: true,
        tls: { offered: true },
        requireTls,
        brokenAuthClients: false,
      },
      {
        mayXclient: false,
        mayXforward: false,
        mayXverp: false,
        auth: undefined,
        encrypted,
        discarded: discardedIn(discard).keywords,
      },
    ).includes("REQUIRETLS");
  expect([offered(true, true), offered(true, false), offered(false, true), offered(true, true, "requiretls")])
    .toEqual([true, false, false, false]);
});
