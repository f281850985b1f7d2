import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../../test/kit/memory/hostile_text.ts";
import type { QueueId } from "../../queue/envelope.ts";
import type { Context } from "../context.ts";
import type { Transaction } from "../phase.ts";
import { receivedHeader } from "./received.ts";

test("receivedHeader() is one field whatever client, login and recipient are", () => {
  const facts = fc.record({
    name: hostileText,
    hello: hostileText,
    username: hostileText,
    recipient: hostileText,
  });
  fc.assert(fc.property(facts, ({ name, hello, username, recipient }) => {
    const context = {
      settings: {
        myhostname: "mail.example.com",
        mailName: "mta",
        hideClientSession: false,
        saslHeader: true,
      },
      facts: {
        client: { name, address: "192.0.2.1" },
        hello: { name: hello, esmtp: true },
        esmtp: true,
        login: { method: "PLAIN", username },
      },
    } as unknown as Context;
    const transaction = {
      arrival: 0,
      id: "ID" as QueueId,
      parameters: {},
      recipients: [{ address: recipient, original: recipient, notify: 0 }],
    } as unknown as Transaction;
    const header = receivedHeader(context, transaction);
    expect(header).toMatch(/^Received: [^\r\n\0]+(?:\r\n\t[^\r\n\0]+){3}\r\n$/);
  }));
});
