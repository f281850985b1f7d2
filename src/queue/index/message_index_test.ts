import { expect, test } from "bun:test";
import fc from "fast-check";
import { MessageIndex, QUEUE } from "./message_index.ts";
import { printQueueId } from "../queue_id.ts";

function entry(number: number, arrival: number) {
  const id = { a: 0, b: number % 1_000_000, c: number * 7 % 1000 };
  return {
    id,
    arrival,
    size: number,
    segment: 1,
    offset: number * 100,
    length: 100,
    head: 0,
    spooled: false,
    sites: () => [],
  };
}

test("the index agrees with a plain map, whatever is added, moved and removed", () => {
  const operation = fc.record({
    do: fc.constantFrom("add", "add", "defer", "take", "remove", "hold"),
    number: fc.nat(400),
    due: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 600 }), (operations) => {
      const index = new MessageIndex();
      const model = new Map<string, { queue: number; due: number; number: number }>();
      for (const { do: what, number, due } of operations) {
        const id = printQueueId(entry(number, due).id);
        const slot = index.find(id);
        expect(slot >= 0).toBe(model.has(id));
        if (what === "add") {
          if (slot >= 0) continue;
          index.add(entry(number, due));
          model.set(id, { queue: QUEUE.incoming, due, number });
        } else if (slot < 0) continue;
        else if (what === "remove") {
          index.remove(slot);
          model.delete(id);
        } else {
          const queue = what === "defer" ? QUEUE.deferred : what === "take" ? QUEUE.active : QUEUE.hold;
          index.move(slot, queue, due);
          model.set(id, { queue, due, number });
        }
        for (const queue of [QUEUE.incoming, QUEUE.deferred]) {
          const wanted = [...model.values()].filter((one) => one.queue === queue).map((one) => one.due);
          const first = index.firstDue(queue);
          expect(first === undefined ? Infinity : index.due[first]!).toBe(Math.min(Infinity, ...wanted));
          expect(index.countIn(queue)).toBe(wanted.length);
        }
      }
      expect(index.count).toBe(model.size);
      expect(index.bytes).toBe([...model.values()].reduce((sum, { number }) => sum + number, 0));
      expect([...index.slots()].map((slot) => index.idOf(slot) as string).sort()).toEqual(
        [...model.keys()].sort(),
      );
    }),
    { numRuns: 60 },
  );
});

test("messages come out in the order of their due times", () => {
  fc.assert(fc.property(fc.array(fc.nat(50), { maxLength: 200 }), (dues) => {
    const index = new MessageIndex();
    dues.forEach((due, number) => index.add(entry(number, due)));
    const out: [number, number][] = [];
    for (
      let slot = index.firstDue(QUEUE.incoming);
      slot !== undefined;
      slot = index.firstDue(QUEUE.incoming)
    ) {
      out.push([index.due[slot]!, index.offset[slot]!]);
      index.remove(slot);
    }
    expect(out).toEqual([...out].sort((one, other) => one[0] - other[0] || one[1] - other[1]));
    expect(out.length).toBe(dues.length);
  }));
});
