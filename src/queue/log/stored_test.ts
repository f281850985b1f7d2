import { expect, test } from "bun:test";
import { internalAddress } from "../../address/address.ts";
import type { Envelope } from "../envelope.ts";
import { printQueueId } from "../queue_id.ts";
import type { RecipientState } from "../store.ts";
import {
  parseChanges,
  parseInheritance,
  parseStates,
  printChanges,
  printInheritance,
  printStates,
} from "./states.ts";
import { parseEnvelope } from "./stored.ts";

const address = internalAddress("b@example.com");
const recipient = { address, original: internalAddress("B@example.com"), notify: 3 };
const envelope: Envelope = {
  id: printQueueId({ a: 1, b: 2, c: 3 }),
  arrival: 1_700_000_000_000.5,
  sender: internalAddress(""),
  recipients: [recipient, { ...recipient, orcpt: "rfc822;b@example.com" }],
  origin: { clientName: "c.example", clientPort: 4711 },
  // No text that was taken is too long to be read again.
  messageId: `<${"x".repeat(2_000_000)}@example.com>`,
};
const stored = (value: unknown) => Buffer.from(JSON.stringify(value));
const why: RecipientState = {
  is: "pending",
  why: { status: "4.2.0", text: "come back", action: "delayed", others: [] },
};
const states: RecipientState[] = [why, { is: "done" }];

test("what is stored of a message is read as it was", () => {
  expect(parseEnvelope(stored(envelope))).toEqual(envelope);
  expect(parseStates(Buffer.from(printStates(states)))).toEqual(states);
  const changes = [{ index: 1, state: why }];
  expect(parseChanges(Buffer.from(printChanges(changes)))).toEqual(changes);
  const inherited = { flags: 2, due: 17.25, states };
  const meta = Buffer.from(printInheritance(stored(envelope), inherited));
  expect(parseInheritance(meta)).toEqual(inherited);
  expect(parseEnvelope(meta)).toEqual(envelope);
});

test("what does not fit is named, not taken for what it is not", () => {
  const odd = { ...envelope, recipients: [recipient, { ...recipient, notify: "none" }] };
  expect(() => parseEnvelope(stored(odd))).toThrow(
    "its record does not fit: recipients.1.notify: a whole number from 0 to 15 expected",
  );
  expect(() => parseEnvelope(stored({ ...envelope, recipients: undefined }))).toThrow("recipients: a list");
  expect(() => parseStates(stored([{ is: "gone" }]))).toThrow("0: is: one of pending, sent, failed, done");
  expect(() => parseChanges(stored([[-1, why]]))).toThrow("0.0: a whole number");
  expect(() => parseInheritance(stored(envelope))).toThrow("inherited: an object");
});
