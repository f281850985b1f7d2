// What milters hear, what clients are answered, what goes into the queue and what the log says: ours beside the real Postfix's, before
// the same scripted milters.
import { expect } from "bun:test";
import { type MilterPair, startMilterPair } from "../../kit/scenes/milter_pair.ts";
import { MILTER_MAIN, MILTER_SCENES, MILTER_SERVICES } from "../../kit/scenes/milter_scenes.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "postfix", "root");

let pair: MilterPair;
beforeAll(async () => void (pair = await startMilterPair(MILTER_SERVICES, MILTER_MAIN)), 60_000);
afterAll(async () => await pair?.stop());

for (const scene of MILTER_SCENES) {
  test(`milters: ${scene.name}`, async () => {
    const { ours, theirs } = await pair.play(scene);
    expect(ours).toEqual(theirs);
  }, 120_000);
}

test("there are enough of them", () => expect(MILTER_SCENES.length).toBeGreaterThan(250));
