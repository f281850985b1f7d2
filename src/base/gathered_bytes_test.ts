import { expect, test } from "bun:test";
import fc from "fast-check";
import { bytesGoneOver } from "../../test/kit/memory/byte_work.ts";
import { GatheredBytes } from "./gathered_bytes.ts";

type Step = { readonly add: string } | { readonly take: number } | { readonly keep: number } | "lineEnd";

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ add: fc.stringMatching(/^[ab\n]{1,90}$/) }),
  fc.record({ take: fc.nat(20) }),
  fc.record({ keep: fc.nat(40) }),
  fc.constant("lineEnd" as const),
);

test("gathered bytes are what was added, in order, whatever is taken off meanwhile", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const gathered = new GatheredBytes();
      const views: [Buffer, string][] = [];
      let plain = "";
      for (const each of steps) {
        if (each === "lineEnd") expect(gathered.lineEnd()).toBe(plain.indexOf("\n"));
        else if ("add" in each) {
          plain += each.add;
          gathered.add(Buffer.from(each.add));
        } else if ("take" in each) {
          const count = Math.min(each.take, plain.length);
          const taken = gathered.take(count);
          expect(taken.toString()).toBe(plain.slice(0, count));
          views.push([taken, plain.slice(0, count)]);
          plain = plain.slice(count);
        } else {
          plain = plain.slice(0, each.keep);
          gathered.keep(each.keep);
        }
        expect(gathered.bytes.toString()).toBe(plain);
        expect(gathered.length).toBe(plain.length);
      }
      for (const [taken, text] of views) expect(taken.toString()).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

test("what others gave is not written into", () => {
  const theirs = Buffer.from("abcdef");
  const gathered = new GatheredBytes();
  gathered.add(theirs.subarray(0, 2));
  gathered.add(Buffer.from("xy"));
  expect(theirs.toString()).toBe("abcdef");
  expect(gathered.bytes.toString()).toBe("abxy");
});

test("a byte is copied and searched a bounded number of times", async () => {
  const gathered = new GatheredBytes();
  const went = await bytesGoneOver(() => {
    for (let i = 0; i < 100_000; i++) {
      gathered.add(Buffer.from([97]));
      gathered.lineEnd();
    }
  });
  expect(went).toBeLessThan(500_000);
});
