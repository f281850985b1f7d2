import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../../test/kit/memory/hostile_text.ts";
import type { Query } from "../restriction.ts";
import { policyRequest } from "./policy_service.ts";

test("nothing that a client says becomes an attribute of its own", () => {
  const plain = policyRequest(query(""), "", "").split("\n").map((line) => line.split("=")[0]);
  fc.assert(fc.property(hostileText, (text) => {
    const request = policyRequest(query(text), text, text);
    expect(request).not.toMatch(/[\r\0]/);
    expect(request.split("\n").map((line) => line.split("=")[0])).toEqual(plain);
  }));
});

function query(text: string): Query {
  return {
    stage: "RCPT",
    facts: {
      client: { address: text, name: text, reverseName: text, port: 1 },
      server: { address: "127.0.0.1", port: 25 },
      protocol: "ESMTP",
      helo: text,
      sender: text,
      recipient: text,
      recipientCount: 1,
      size: 0,
      queueId: text,
      instance: text,
      etrnDomain: text,
      saslMethod: text,
      saslUsername: text,
      saslSender: text,
      tls: { protocol: text, cipher: text, keysize: 1, peer: { trusted: true, subject: text, issuer: text } },
    },
  } as unknown as Query;
}
