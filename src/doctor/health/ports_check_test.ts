import { expect, test } from "bun:test";
import { checkPorts, type Port, type PortState } from "./ports_check.ts";

const SMTP: Port = {
  address: "0.0.0.0",
  port: 25,
  service: "smtp/inet",
  program: "smtpd",
  optional: false,
  greets: "at once",
};

function told(
  running: boolean,
  ...ports: readonly (Partial<Port> & { readonly state: PortState })[]
): string[] {
  return checkPorts({ running, ports: ports.map((port) => ({ ...SMTP, ...port })) })
    .map(({ severity, check, found, fix }) =>
      `${severity} ${check}: ${found}${fix === undefined ? "" : ` | ${fix}`}`
    );
}

const greeted: PortState = { is: "answers", greeting: "220 mail.example.com ESMTP" };

test("a service that runs and greets is right, on IPv6 and without a greeting too", () => {
  expect(
    told(true, { state: greeted }, {
      address: "::",
      greets: "never",
      state: { is: "answers", greeting: "" },
    }),
  )
    .toEqual(["ok service: runs", "ok ports: 0.0.0.0:25, [::]:25 answer"]);
});

test("a service that is down is a warning, and its ports are tried", () => {
  expect(told(false, { state: { is: "free" } })).toEqual([
    "warning service: does not run: nobody is answered, and nothing is delivered | mta start",
    "ok ports: 0.0.0.0:25 can be bound",
  ]);
});

const failures: readonly (readonly [string, Partial<Port>, PortState, string])[] = [
  [
    "a port of another program",
    {},
    { is: "not free", code: "EADDRINUSE", why: "Address already in use" },
    "problem ports: 0.0.0.0:25 (smtp/inet) cannot be bound: Address already in use | another program has it: `ss -ltnp 'sport = :25'`",
  ],
  ["another machine's address", { address: "192.0.2.9" }, {
    is: "not free",
    code: "EADDRNOTAVAIL",
    why: "Cannot assign requested address",
  }, "| 192.0.2.9 is no address of this machine"],
  [
    "a port for root",
    {},
    { is: "not free", code: "EACCES", why: "Permission denied" },
    "warning ports: 0.0.0.0:25 (smtp/inet) can be bound by root alone",
  ],
  [
    "an entry that is not loaded",
    {},
    { is: "fails", why: "Connection refused", refused: true },
    "does not answer: Connection refused | the service has not loaded this entry of master.cf: `mta reload`",
  ],
  [
    "TLS that fails",
    { greets: "under TLS" },
    { is: "fails", why: "handshake failure", refused: false },
    "| `mta check` says what is wrong with keys and certificates",
  ],
  [
    "one that is closed",
    {},
    { is: "answers", greeting: "421 4.3.2 closed" },
    "problem ports: 0.0.0.0:25 (smtp/inet) turns clients away: 421 4.3.2 closed",
  ],
];

test("a restriction that turns this machine away is not a port that is closed", () => {
  const state = {
    is: "answers",
    greeting: "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected",
  } as const;
  expect(told(true, { state })[1]).toEndWith("says which restriction does so to this machine");
});

test.each(failures)("%s is named, with what to do", (_, port, state, expected) => {
  const lines = told(state.is !== "not free", { ...port, state });
  expect(lines[1]).toContain(expected);
});

test("a wildcard that the machine does not have is nobody's loss", () => {
  const state = { is: "not free", code: "EAFNOSUPPORT", why: "Address family not supported" } as const;
  expect(told(false, { state: { is: "free" } }, { address: "::", optional: true, state })).toHaveLength(2);
});

test("without any port nobody comes", () => {
  expect(told(true)[1]).toStartWith("warning ports: no entry of master.cf listens");
});
