import { expect, test } from "bun:test";
import { localFailure } from "../../delivery/smtp/failure.ts";
import type { ServerTrial } from "../../delivery/smtp/try_site.ts";
import { checkRelayhost } from "./relayhost_check.ts";

const relay = "relay.example[192.0.2.25]:587";
const good: ServerTrial = {
  relay,
  port: 587,
  failure: undefined,
  tls: undefined,
  login: { is: "possible", mechanism: "SCRAM-SHA-256" },
  sizeLimit: 0,
};

function told(trials: readonly Partial<ServerTrial>[], hasLogins = true): string[] {
  const facts = {
    relayhost: "[relay.example]:587",
    trials: trials.map((each) => ({ ...good, ...each })),
    hasLogins,
  };
  return checkRelayhost(facts).map(({ severity, found, fix = "" }) => `${severity}: ${found} | ${fix}`);
}

test("a relay that would take mail is right", () => {
  expect(told([{}])).toEqual([
    `ok: [relay.example]:587 answers: ${relay}, in the clear, a login by SCRAM-SHA-256 is possible | `,
  ]);
});

const failures: readonly (readonly [string, string])[] = [
  [
    "connect to relay.example[192.0.2.25]:25: Connection timed out",
    "many networks let nobody out on port 25",
  ],
  ["connect to relay.example[192.0.2.25]:587: Connection refused", "nobody listens there"],
  ["TLS is required, but was not offered by host relay.example[192.0.2.25]", "smtp_tls_wrappermode = yes"],
  ["Server certificate not verified", "smtp_tls_CAfile"],
  ["Cannot start TLS: handshake failure", "posttls-finger"],
  ["host relay.example[192.0.2.25] refused to talk to me: 554 no", "ask who runs the relay"],
];

test.each(failures)("%s: is a problem, and a warning where another server takes the mail", (text, fix) => {
  const failure = localFailure("4.4.1", text);
  const [alone] = told([{ failure }]);
  expect(alone).toStartWith(`problem: [relay.example]:587: ${text} | `);
  expect(alone).toContain(fix);
  expect(told([{ failure }, {}])[0]).toStartWith("warning: ");
});

test("a relay that cannot be found is a problem", () => {
  const trials = localFailure("5.4.4", "Host or domain name not found");
  expect(checkRelayhost({ relayhost: "nowhere.example", trials, hasLogins: false })).toEqual([
    expect.objectContaining({ severity: "problem", found: "nowhere.example: Host or domain name not found" }),
  ]);
});

test("logins: one that is impossible, one that is missing, a port for them without any", () => {
  expect(told([{ login: { is: "impossible", why: "it offers no login (AUTH)" } }])[0])
    .toStartWith(`problem: ${relay}: no login: it offers no login (AUTH)`);
  const offered = { login: { is: "none", offered: true } } as const;
  expect(told([offered])[0]).toContain("| an entry of that table: [relay.example]:587 USER:PASSWORD");
  expect(told([offered], false)[0]).toContain(
    "warning: relay.example[192.0.2.25]:587 takes logins, and none",
  );
  expect(told([{ ...offered, port: 25 }], false)[0]).toStartWith("ok: ");
});
