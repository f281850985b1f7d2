import { expect, test } from "bun:test";
import os from "node:os";
import { sourceAddress } from "./source_address.ts";

test.each([4, 6] as const)(
  "sourceAddress(%d) is an address of this machine, or there is no way out",
  async (family) => {
    const found = await sourceAddress(family);
    if (found === undefined) return;
    const own = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []).map(({ address }) =>
      address
    );
    expect(own).toContain(found);
  },
);
