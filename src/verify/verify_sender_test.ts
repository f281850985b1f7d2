import { internalAddress } from "../address/address.ts";
import { expect, test } from "bun:test";
import { VerifySender } from "./verify_sender.ts";

const complete = (address: string) =>
  internalAddress(address.includes("@") ? address : `${address}@mail.example.com`);

function sender(address: string, ttl = 0): VerifySender {
  return new VerifySender({ address_verify_sender: address, address_verify_sender_ttl: ttl }, complete);
}

test.each([
  ["double-bounce", 0, "double-bounce", "double-bounce@mail.example.com"],
  ["probe@x.example", 0, "probe@x.example", "probe@x.example"],
  ["<>", 0, "", ""],
  ["", 100, "", ""],
  ["probe@x.example", 1000, "probe1@x.example", "probe@x.example"],
  ["double-bounce", 46, "double-bounceZ", "double-bounce@mail.example.com"],
  ["double-bounce", 43, "double-bounce11", "double-bounce@mail.example.com"],
])("address_verify_sender = %s, ttl %d: %s at second 1400", (address, ttl, want, template) => {
  const made = sender(address, ttl);
  expect<unknown>(made.at(1400)).toBe(want);
  expect<unknown>(made.template).toBe(template);
  expect<unknown>(made.recognize(complete(want === "" ? "x" : want), 1400)).toBe(
    want === "" ? undefined : template,
  );
});

test("the sender of the slots before and after is ours too, others are not", () => {
  const made = sender("double-bounce", 100);
  const at = (seconds: number) =>
    made.recognize(`${made.at(seconds)}@mail.example.com`, 100_000) !== undefined;
  expect([99_700, 99_800, 99_900, 100_000, 100_199, 100_200].map(at)).toEqual([
    false,
    false,
    true,
    true,
    true,
    false,
  ]);
  for (
    const address of [
      "double-bounce@mail.example.com",
      "double-bouncea@mail.example.com",
      "",
      "double-bounce",
    ]
  ) {
    expect(made.recognize(address, 100_000)).toBeUndefined();
  }
  expect<unknown>(sender("<>").recognize("", 0)).toBe("");
  expect<unknown>(sender("double-bounce").recognize("Double-Bounce@MAIL.example.com", 0)).toBe(
    "double-bounce@mail.example.com",
  );
  expect(sender("double-bounce").recognize("double-bounce1@mail.example.com", 0)).toBeUndefined();
  expect(sender("double-bounce").recognize("double-bounce@x.example", 0)).toBeUndefined();
});
