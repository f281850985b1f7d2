import { splitAddress } from "../../address/address.ts";
import type { QueueListing, QueueName, Wanted } from "../store.ts";
import { comparableAddress, comparableDomain } from "./comparable.ts";
import { patternTest } from "./pattern.ts";
import type { QueueFilter } from "./queue_filter.ts";

type Test = (listing: QueueListing) => boolean;

const QUEUES: readonly string[] = ["incoming", "active", "deferred", "hold"];
const isQueue = (word: string): word is QueueName => QUEUES.includes(word);

/** What a filter means for the store, at this moment (milliseconds since 1970). */
export function wanted(filter: QueueFilter, now: number): Wanted {
  const { status, olderThan } = filter;
  const tests = testsOf(filter);
  return {
    ...(status?.every(isQueue) === true && { queues: status.filter(isQueue) }),
    ...(olderThan !== undefined && { before: now - olderThan }),
    ...(tests.length > 0 && { matches: (listing) => tests.every((test) => test(listing)) }),
  };
}

function testsOf({ from, to, domain, status }: QueueFilter): readonly Test[] {
  return [
    ...(from === undefined ? [] : [senderTest(from)]),
    ...(to === undefined ? [] : [recipientTest(to)]),
    ...(domain === undefined ? [] : [domainTest(domain)]),
    ...(status === undefined || status.every(isQueue) ? [] : [anyOf(status.map(statusTest))]),
  ];
}

function anyOf<T>(tests: readonly ((value: T) => boolean)[]): (value: T) => boolean {
  return (value) => tests.some((test) => test(value));
}

function senderTest(patterns: readonly string[]): Test {
  const test = anyOf(patterns.map(patternTest));
  return ({ sender }) => test(sender === "" ? "<>" : comparableAddress(sender));
}

function recipientTest(patterns: readonly string[]): Test {
  const test = anyOf(patterns.map(patternTest));
  return ({ recipients }) => recipients.some(({ address }) => test(comparableAddress(address)));
}

function domainTest(domains: readonly string[]): Test {
  const test = anyOf(domains.map((domain) => patternTest(domain.startsWith(".") ? `*${domain}` : domain)));
  return ({ recipients }) =>
    recipients.some(({ address }) => test(comparableDomain(splitAddress(address).domain)));
}

function statusTest(word: string): Test {
  if (isQueue(word)) return ({ queue }) => queue === word;
  if (word === "expired") return ({ forcedExpire }) => forcedExpire;
  return ({ recipients }) =>
    recipients.some(({ status }) => status !== undefined && `${status}.`.startsWith(`${word}.`));
}
