import { describe, expect, test } from "bun:test";
import { testContext } from "../_test_context.ts";
import { LookupFault, TableClosed } from "./remote_table.ts";
import { ServerFault, Servers, type ServersOptions } from "./servers.ts";

/** Servers of which some are down; `asked` says which were tried. */
function world(names: readonly string[], options: Partial<ServersOptions<string>> = {}) {
  const context = testContext();
  const down = new Map<string, string>();
  const asked: string[] = [];
  const servers = new Servers("x:y", names, context, { nameOf: (name) => name, order: "listed", ...options });
  const question = (name: string) => {
    asked.push(name);
    const why = down.get(name);
    return why === undefined ? Promise.resolve(name) : Promise.reject(new ServerFault(why));
  };
  return {
    context,
    down,
    asked,
    servers,
    ask: (signal?: AbortSignal) => servers.ask(question, signal).catch((error: Error) => error.message),
  };
}

describe("servers that hold the same data", () => {
  test("the next is asked when one is down, and the first again when it is back", async () => {
    const { context, down, asked, ask } = world(["a", "b"]);
    expect(await ask()).toBe("a");
    down.set("a", "refused");
    expect([await ask(), await ask()]).toEqual(["b", "b"]);
    expect(asked.splice(0)).toEqual(["a", "a", "b", "b"]);
    context.now += 1000;
    expect([await ask(), await ask()]).toEqual(["b", "b"]);
    expect(asked.splice(0)).toEqual(["a", "b", "b"]);
    context.now += 2000;
    down.delete("a");
    expect([await ask(), await ask()]).toEqual(["a", "a"]);
  });

  test("when none is left the answer comes at once, with the reason of each", async () => {
    const { down, asked, ask } = world(["a", "b"]);
    down.set("a", "refused").set("b", "no route");
    expect(await ask()).toBe("a: refused; b: no route");
    asked.length = 0;
    expect(await ask()).toBe("a: refused; b: no route");
    expect(asked).toEqual([]);
  });

  test("a server rests longer with each failure, up to a limit", async () => {
    const { context, down, asked, ask } = world(["a"], { firstRest: 1000, longestRest: 5000 });
    down.set("a", "refused");
    const rests: number[] = [];
    let since = context.now;
    for (await ask(); rests.length < 6; context.now += 100) {
      const before = asked.length;
      expect(await ask()).toBe("refused");
      if (asked.length === before) continue;
      rests.push(context.now - since);
      since = context.now;
    }
    expect(rests).toEqual([1000, 2000, 4000, 5000, 5000, 5000]);
  });

  test("warnings come once for each change", async () => {
    const { context, down, ask } = world(["a"]);
    down.set("a", "refused");
    for (let at = 0; at < 20; at++, context.now += 500) await ask();
    expect(context.warnings.splice(0)).toEqual(["table x:y: server a: refused"]);
    down.delete("a");
    context.now += 60_000;
    await ask();
    await ask();
    expect(context.warnings).toEqual(["table x:y: server a answers again"]);
  });

  test("lookups side by side that fail together are one failure, and one alone finds out whether a server is back", async () => {
    const { context, down, asked, ask } = world(["a"]);
    down.set("a", "refused");
    await Promise.all([ask(), ask(), ask()]);
    context.now += 1000;
    asked.length = 0;
    await Promise.all([ask(), ask(), ask()]);
    expect(asked).toEqual(["a"]);
  });

  test("what is no fault of the server ends the search and leaves the server be", async () => {
    const { servers, ask } = world(["a", "b"]);
    const bad = servers.ask(() => Promise.reject(new LookupFault("no such column")));
    expect(await bad.catch((error: Error) => error.message)).toBe("no such column");
    expect(await ask()).toBe("a");
  });

  test("a server that lets a lookup run into its deadline is down, unless it answered others meanwhile", async () => {
    const { context, servers, ask } = world(["a"]);
    const late = new AbortController();
    const hanging = () =>
      servers.ask(
        () =>
          new Promise<string>((_, reject) =>
            late.signal.addEventListener("abort", () => reject(late.signal.reason))
          ),
        late.signal,
      ).catch((error: Error) => error.message);
    const first = hanging();
    context.now += 1;
    expect(await ask()).toBe("a");
    late.abort(new LookupFault("too late"));
    expect(await first).toBe("too late");
    expect(await ask()).toBe("a");
    context.now += 1;
    const aborted = AbortSignal.abort(new LookupFault("too late"));
    const again = servers.ask(() => Promise.reject(new Error("x")), aborted).catch((error: Error) => error);
    expect(await again).toBeInstanceOf(Error);
    expect(await ask()).toBe("too late");
  });

  test("a lookup that ends because its table is closed says nothing of the server", async () => {
    const { context, servers, ask } = world(["a"]);
    const closed = AbortSignal.abort(new TableClosed());
    await servers.ask(() => Promise.reject(new Error("x")), closed).catch(() => {});
    expect(context.warnings).toEqual([]);
    expect(await ask()).toBe("a");
  });

  test("load is spread where the order is random", async () => {
    const picks = [0.9, 0.1, 0.9, 0.1];
    const { ask } = world(["a", "b"], { order: "random", random: () => picks.shift()! });
    expect(new Set([await ask(), await ask()])).toEqual(new Set(["a", "b"]));
  });
});
