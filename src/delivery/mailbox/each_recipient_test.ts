import { internalAddress } from "../../address/address.ts";
import { expect, test } from "bun:test";
import { contentOf } from "../../../test/kit/memory/memory_store.ts";
import type { Envelope, QueueId, Recipient } from "../../queue/envelope.ts";
import type { DeliveryJob } from "../agent.ts";
import { sent } from "../outcomes.ts";
import { eachRecipient } from "./each_recipient.ts";

const recipients = ["a@x.example", "b@x.example"].map((address): Recipient => ({
  address: internalAddress(address),
  original: internalAddress(address),
  notify: 0,
}));
const envelope: Envelope = {
  id: "ID1" as QueueId,
  arrival: 0,
  sender: internalAddress("s@x.example"),
  recipients,
  origin: {},
};
const job: DeliveryJob = {
  envelope,
  recipients: recipients.map((recipient, index) => ({ index, recipient })),
  transport: "virtual",
  nexthop: "x.example",
  content: contentOf("\r\n"),
};

test("a service that stops between two recipients keeps what became of the first: it does not get the message again", async () => {
  const stop = new AbortController();
  const report = await eachRecipient(job, stop.signal, () => 0, ({ address }) => {
    stop.abort(new Error("stopping"));
    return Promise.resolve(sent("virtual", `delivered to ${address}`));
  });
  expect(report.outcomes.map(({ is, detail }) => `${is} ${detail.text}`)).toEqual([
    "sent delivered to a@x.example",
    "deferred delivery was interrupted: mail system is stopping",
  ]);
});

test("a service that has stopped before the first recipient delivers nothing and puts the message back", async () => {
  const delivered: string[] = [];
  const work = eachRecipient(job, AbortSignal.abort(new Error("stopping")), () => 0, ({ address }) => {
    delivered.push(address);
    return Promise.resolve(sent("virtual", ""));
  });
  await expect(work).rejects.toThrow("stopping");
  expect(delivered).toEqual([]);
});
