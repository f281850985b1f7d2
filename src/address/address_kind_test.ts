import { expect, test } from "bun:test";
import { type AddressKind, addressKind } from "./address_kind.ts";

const CASES: readonly (readonly [string, AddressKind | undefined])[] = [
  ["203.0.113.5", "public"],
  ["2001:db8::25", "public"],
  ["172.32.0.1", "public"],
  ["172.31.255.255", "private"],
  ["10.1.2.3", "private"],
  ["100.64.0.1", "private"],
  ["192.168.1.1", "private"],
  ["169.254.1.1", "private"],
  ["fd00::2", "private"],
  ["fe80::1", "private"],
  ["0.0.0.0", "private"],
  ["::", "private"],
  ["127.8.0.1", "loopback"],
  ["::1", "loopback"],
  ["mail.example.com", undefined],
];

test.each(CASES)("addressKind() of %s", (address, kind) => {
  expect(addressKind(address)).toBe(kind);
});
