import { expect, test } from "bun:test";
import fc from "fast-check";
import { Heap, type HeapItem } from "./heap.ts";

interface Ranked extends HeapItem {
  rank: number;
}

test("Heap gives its elements in order, whatever was pushed, changed and taken out", () => {
  const step = fc.record({
    what: fc.constantFrom("push", "pop", "remove", "update"),
    rank: fc.nat(50),
    which: fc.nat(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const heap = new Heap<Ranked>((a, b) => a.rank < b.rank);
    let model: Ranked[] = [];
    for (const { what, rank, which } of steps) {
      const chosen = model[which % Math.max(model.length, 1)];
      if (what === "push") {
        const item = { rank, heapAt: -1 };
        model.push(item);
        heap.push(item);
      } else if (what === "pop") {
        const first = heap.pop();
        expect(first?.rank).toBe(
          model.length === 0 ? undefined : Math.min(...model.map((item) => item.rank)),
        );
        model = model.filter((item) => item !== first);
      } else if (chosen !== undefined && what === "remove") {
        heap.remove(chosen);
        model = model.filter((item) => item !== chosen);
        expect(chosen.heapAt).toBe(-1);
      } else if (chosen !== undefined) {
        chosen.rank = rank;
        heap.update(chosen);
      }
      expect(heap.size).toBe(model.length);
    }
    const rest = Array.from({ length: heap.size }, () => heap.pop()!.rank);
    expect(rest).toEqual(model.map((item) => item.rank).sort((a, b) => a - b));
  }));
});
