import { expect, test } from "bun:test";
import { internalAddress } from "../address/address.ts";
import type { Envelope, QueueId } from "../queue/envelope.ts";
import type { Content } from "../queue/store.ts";
import type { Forwarding } from "../routing/forwarding.ts";
import type { Agent, DeliveryJob, DeliveryReport } from "./agent.ts";
import { withForwardedSender } from "./forwarded_sender.ts";
import { sent } from "./outcomes.ts";

const CONTENT: Content = { size: 0, bytes: new Uint8Array(), async *chunks() {} };

function job(sender: string, to: readonly string[], more: Partial<Envelope> = {}): DeliveryJob {
  const recipients = to.map((address) => ({
    address: internalAddress(address),
    original: internalAddress(address),
    notify: 0,
  }));
  const envelope: Envelope = {
    id: "A1" as QueueId,
    arrival: 0,
    sender: internalAddress(sender),
    recipients,
    origin: {},
    ...more,
  };
  return {
    envelope,
    recipients: recipients.map((recipient, index) => ({ index: index + 5, recipient })),
    transport: "smtp",
    nexthop: "far.example",
    content: CONTENT,
  };
}

/** Strangers are wrapped; whose address begins with `f` is forwarded to. */
const forwarding: Forwarding = {
  senderOf: (sender) => sender.endsWith("ours") ? undefined : internalAddress(`srs-${sender}`),
  isForwarded: ({ address }) => Promise.resolve(address.startsWith("f")),
};

async function deliver(given: DeliveryJob, by: Forwarding = forwarding) {
  const seen: string[] = [];
  const notes: string[] = [];
  const agent: Agent = {
    program: "smtp",
    close: () => Promise.resolve(),
    deliver({ envelope: { sender }, recipients }) {
      const to = recipients.map(({ recipient }) => recipient.address);
      seen.push(`${sender} -> ${to.join(" ")}`);
      const report: DeliveryReport = {
        outcomes: to.map((address) => sent(`for ${address}`, sender)),
        setup: 1,
        transmission: 10,
      };
      return Promise.resolve(report);
    },
  };
  const wrapped = withForwardedSender(agent, by, (id, sender, now) => notes.push(`${id} ${sender} ${now}`));
  const report = await wrapped.deliver(given, new AbortController().signal);
  return { seen, notes, report };
}

test("whom mail is sent on to gets it under a sender of ours, the others under the true one", async () => {
  const { seen, notes, report } = await deliver(job("eve@far", ["f1@x", "d1@x", "f2@x"]));
  expect(seen).toEqual(["eve@far -> d1@x", "srs-eve@far -> f1@x f2@x"]);
  expect(notes).toEqual(["A1 eve@far srs-eve@far"]);
  expect(report.outcomes.map(({ relay }) => relay)).toEqual(["for f1@x", "for d1@x", "for f2@x"]);
  expect([report.setup, report.transmission]).toEqual([2, 20]);
});

test("one delivery stays one", async () => {
  expect((await deliver(job("eve@far", ["f1@x", "f2@x"]))).seen).toEqual(["srs-eve@far -> f1@x f2@x"]);
  expect((await deliver(job("eve@far", ["d1@x", "d2@x"]))).seen).toEqual(["eve@far -> d1@x d2@x"]);
  expect((await deliver(job("ann@ours", ["f1@x"]))).seen).toEqual(["ann@ours -> f1@x"]);
});

test("notices and probes are left alone", async () => {
  expect((await deliver(job("", ["f1@x"]))).seen).toEqual([" -> f1@x"]);
  expect((await deliver(job("eve@far", ["f1@x"], { kind: "probe" }))).seen).toEqual(["eve@far -> f1@x"]);
});

test("where it cannot be told all wait, and nothing goes out", async () => {
  for (
    const by of [
      { ...forwarding, senderOf: () => ({ trouble: "no secret" }) },
      { ...forwarding, isForwarded: () => ({ trouble: "no secret" }) },
    ]
  ) {
    const { seen, report } = await deliver(job("eve@far", ["f1@x", "d1@x"]), by);
    expect(seen).toEqual([]);
    expect(report.outcomes.map(({ is, detail }) => `${is} ${detail.status} ${detail.text}`)).toEqual(
      Array(2).fill("deferred 4.3.5 cannot tell under which sender this is to be forwarded: no secret"),
    );
  }
});
