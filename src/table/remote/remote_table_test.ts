import { describe, expect, test } from "bun:test";
import { LookupFault, remoteTable } from "./remote_table.ts";
import { ABSENT, type Answer } from "../table.ts";

const found = (value: string): Answer => ({ is: "found", value });
const context = {};
const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

describe("a remote table", () => {
  test("asks once for lookups of the same key that are under way, folded or not", async () => {
    const asked: string[] = [];
    const table = remoteTable("x:y", context, { deadline: 1000 }, async (key) => {
      asked.push(key);
      await pause(5);
      return found(`${asked.length}`);
    });
    const answers = await Promise.all(["A", "a", "b", "a"].map((key) => table.lookup(key)));
    expect(asked).toEqual(["a", "b"]);
    expect(answers[0]).toEqual(answers[1]!);
    await table.lookup("a");
    expect(asked).toEqual(["a", "b", "a"]);
  });

  test("leaves keys as they are where the server has its own mind about them", async () => {
    const table = remoteTable("x:y", context, { deadline: 1000, asWritten: true }, (key) => found(key));
    expect(await table.lookup("ÄbC")).toEqual(found("ÄbC"));
    const folding = remoteTable("x:y", context, { deadline: 1000 }, (key) => found(key));
    expect(await folding.lookup("ÄbC")).toEqual(found("äbc"));
    const bytes = remoteTable("x:y", { encoding: "latin1" }, { deadline: 1000 }, (key) => found(key));
    expect(await bytes.lookup("ÄbC")).toEqual(found("Äbc"));
  });

  test("answers at once what is there at once", () => {
    const table = remoteTable("x:y", context, { deadline: 1000 }, () => ABSENT);
    expect(table.lookup("a")).toBe(ABSENT);
  });

  test("is in trouble at the deadline, and tells the question so", async () => {
    let aborted: unknown;
    const table = remoteTable(
      "x:y",
      context,
      { deadline: 20 },
      (_, signal) =>
        new Promise<Answer>((_, reject) =>
          signal.addEventListener("abort", () => {
            aborted = signal.reason;
            reject(signal.reason);
          })
        ),
    );
    expect(await table.lookup("a")).toMatchObject({
      is: "trouble",
      retry: true,
      why: "table x:y lookup error: no answer within 0.02 seconds",
    });
    expect(aborted).toBeInstanceOf(LookupFault);
  });

  test("takes no more lookups than its limit, and counts those that were given up until they end", async () => {
    const ends: (() => void)[] = [];
    const table = remoteTable(
      "x:y",
      context,
      { deadline: 10, limit: 2 },
      () => new Promise<Answer>((done) => ends.push(() => done(ABSENT))),
    );
    const waiting = [table.lookup("a"), table.lookup("b")];
    const refusal = {
      is: "trouble",
      why: "table x:y lookup error: 2 lookups are waiting for the server already",
    };
    expect(table.lookup("c")).toMatchObject(refusal);
    expect(await Promise.all(waiting)).toMatchObject([{ is: "trouble" }, { is: "trouble" }]);
    expect(table.lookup("c")).toMatchObject(refusal);
    ends.forEach((end) => end());
    await pause(0);
    const answer = table.lookup("c");
    ends.forEach((end) => end());
    expect(await answer).toEqual(ABSENT);
  });

  test.each([
    [new Error("boom"), { retry: true, why: "table x:y lookup error: boom" }],
    [new LookupFault("no such column", { retry: false }), {
      retry: false,
      why: "table x:y lookup error: no such column",
    }],
    [new LookupFault("all of it", { isWhole: true }), { retry: true, why: "all of it" }],
    [Object.assign(new Error("connect"), { code: "ECONNREFUSED" }), {
      retry: true,
      why: "table x:y lookup error: Connection refused",
    }],
  ])("turns an error of the question into trouble (%#), thrown or rejected", async (error, want) => {
    const rejects = remoteTable("x:y", context, { deadline: 1000 }, () => Promise.reject(error));
    expect(await rejects.lookup("a")).toMatchObject({ is: "trouble", ...want });
    const throws = remoteTable("x:y", context, { deadline: 1000 }, () => {
      throw error;
    });
    expect(await throws.lookup("a")).toMatchObject({ is: "trouble", ...want });
  });

  test("is in trouble once closed, lookups under way included", async () => {
    let closed = 0;
    const options = { deadline: 1000, close: () => void closed++ };
    const table = remoteTable("x:y", context, options, () => new Promise<Answer>(() => {}));
    const underWay = table.lookup("a");
    table.close();
    const gone = { is: "trouble", retry: true, why: "table x:y lookup error: the table is closed" };
    expect(await underWay).toMatchObject(gone);
    expect(table.lookup("b")).toMatchObject(gone);
    expect(closed).toBe(1);
  });
});
