import { expect, test } from "bun:test";
import { internalAddress } from "./address.ts";
import { isVerpDelimiters, verpSender } from "./verp.ts";

test("verpSender() puts the recipient into the sender's local part", () => {
  const made = (sender: string, delimiters: string, recipient: string): string =>
    verpSender(internalAddress(sender), delimiters, recipient);
  expect(made("list@example.com", "+=", "bob@example.net")).toBe("list+bob=example.net@example.com");
  expect(made("list@example.com", "-+", "a@b@example.net")).toBe("list-a@b+example.net@example.com");
  expect(made("list", "+=", "bob@example.net")).toBe("list+bob=example.net");
  expect(made("list@example.com", "+=", "bob")).toBe("list+bob@example.com");
});

test("isVerpDelimiters() takes two characters of the filter, which may be the same", () => {
  const taken = ["+=", "==", "-+"].filter((text) => isVerpDelimiters(text, "-=+"));
  const refused = ["", "+", "+=-", "a=", "+a"].filter((text) => isVerpDelimiters(text, "-=+"));
  expect([taken, refused]).toEqual([["+=", "==", "-+"], []]);
});
