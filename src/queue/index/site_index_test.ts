import { expect, test } from "bun:test";
import fc from "fast-check";
import { SiteIndex, siteKey, sitesOf } from "./site_index.ts";

test("the index of sites agrees with a plain map, whatever comes and goes", () => {
  const operation = fc.record({ slot: fc.nat(300), sites: fc.uniqueArray(fc.nat(12), { maxLength: 4 }) });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 3000, size: "max" }), (operations) => {
      const index = new SiteIndex();
      const model = new Map<number, readonly number[]>();
      for (const { slot, sites } of operations) {
        if (model.delete(slot)) index.remove(slot);
        else {
          index.add(slot, sites);
          model.set(slot, sites);
        }
      }
      for (let site = 0; site <= 12; site++) {
        const wanted = [...model].filter(([, sites]) => sites.includes(site)).map(([slot]) => slot);
        expect(index.slotsOf(site).sort((a, b) => a - b)).toEqual(wanted.sort((a, b) => a - b));
      }
      expect(index.count).toBe([...model.values()].reduce((sum, { length }) => sum + length, 0));
      for (let slot = 0; slot <= 300; slot++) {
        const sites = model.get(slot) ?? [];
        expect(index.hasSeveral(slot)).toBe(sites.length > 1);
        expect([0, 5, 12].filter((site) => index.has(slot, site)))
          .toEqual([0, 5, 12].filter((site) => sites.includes(site)));
      }
    }),
    { numRuns: 40 },
  );
});

test("a site's mail is found at the cost of that site's mail, among a million messages of others", () => {
  const index = new SiteIndex();
  for (let slot = 0; slot < 1_000_000; slot++) index.add(slot, [siteKey(`d${slot % 5000}.example`)]);
  index.add(1_000_000, [siteKey("small.example")]);
  const started = performance.now();
  for (let times = 0; times < 1000; times++) {
    expect(index.slotsOf(siteKey("small.example"))).toEqual([1_000_000]);
  }
  expect(performance.now() - started).toBeLessThan(1000); // a walk over all of them takes a thousand times as long
});

test("sitesOf() names each domain once, in one form", () => {
  expect(sitesOf(["a@Example.COM", "b@example.com", "local", "c@[192.0.2.1]", "d@bücher.example"])).toEqual(
    ["example.com", "[192.0.2.1]", "xn--bcher-kva.example"].map(siteKey),
  );
});
