import { expect, test } from "bun:test";
import { Gate } from "../password/gate.ts";
import { chooseMechanism, type ClientTarget } from "./client_mechanisms.ts";

const ALL = [
  "LOGIN",
  "PLAIN",
  "XOAUTH2",
  "OAUTHBEARER",
  "CRAM-MD5",
  "SCRAM-SHA-256",
  "SCRAM-SHA-256-PLUS",
  "GSSAPI",
];

const target = (more: Partial<ClientTarget> = {}): ClientTarget => ({
  login: { username: "ann", secret: "secret", authorizationId: "" },
  secretIs: "password",
  host: "mail.example.com",
  port: 587,
  gate: new Gate({ parallel: 1, waiting: 1 }),
  channelBinding: (type) => type === "tls-server-end-point" ? Buffer.from("bound") : undefined,
  ...more,
});
const clear = { channelBinding: () => undefined };

function chosen(offered: readonly string[], options = "", of = target(), filtered = offered) {
  return chooseMechanism({ offered, filtered, options }, of)?.name;
}

async function firstWords(offered: readonly string[], of = target(), filtered = offered): Promise<string> {
  const { value } = await chooseMechanism({ offered, filtered, options: "" }, of)!.script.next(
    Buffer.alloc(0),
  );
  return typeof value === "object" ? value.response?.toString() ?? "" : value;
}

test("what tells a server least of the password comes first", () => {
  let left = ALL;
  const order: string[] = [];
  for (let name = chosen(left); name !== undefined; name = chosen(left)) {
    order.push(name);
    left = left.filter((each) => each !== name);
  }
  expect(order).toEqual(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"]);
});

test("nothing is bound to where there is no TLS", () => {
  expect(chosen(ALL, "", target(clear))).toBe("SCRAM-SHA-256");
  expect(chosen(["SCRAM-SHA-256-PLUS"], "", target(clear))).toBeUndefined();
});

test.each([
  ["noplaintext", "SCRAM-SHA-256-PLUS"],
  ["noplaintext, nodictionary", undefined],
  ["mutual_auth", "SCRAM-SHA-256-PLUS"],
  ["noactive", "SCRAM-SHA-256-PLUS"],
  ["forward_secrecy", undefined],
])("under %s it is %p", (options, name) => {
  expect(chosen(ALL, options)).toBe(name!);
});

test("a token is never sent as a password, nor a password as a token", () => {
  const token = target({ secretIs: "token" });
  expect(chosen(ALL, "", token)).toBe("OAUTHBEARER");
  expect(chosen(["XOAUTH2", "PLAIN"], "", token)).toBe("XOAUTH2");
  expect(chosen(["PLAIN", "LOGIN", "SCRAM-SHA-256"], "", token)).toBeUndefined();
  expect(chosen(["XOAUTH2", "OAUTHBEARER"])).toBeUndefined();
});

test("a server learns that its offer of PLUS was hidden on the way, but not that our filter has dropped it", async () => {
  expect(await firstWords(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])).toStartWith(
    "p=tls-server-end-point,,n=ann,r=",
  );
  expect(await firstWords(["SCRAM-SHA-256"])).toStartWith("y,,n=ann,r=");
  expect(await firstWords(["SCRAM-SHA-256"], target(clear))).toStartWith("n,,n=ann,r=");
  const both = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
  expect(await firstWords(both, target(), ["SCRAM-SHA-256"])).toStartWith("n,,n=ann,r=");
});
