import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ScriptedMilter, startScriptedMilter } from "../../test/kit/servers/scripted_milter.ts";
import { until } from "../../test/kit/waiting.ts";
import { fakeWorld } from "../../test/kit/memory/config_world.ts";
import { readSettings } from "../config/read_settings.ts";
import { filtersOf } from "./create_filters.ts";
import type { ChainMessage, FilterChain } from "./filter_chain.ts";
import { BODY_CHUNK } from "./protocol.ts";

let milter: ScriptedMilter;
const warnings: string[] = [];
beforeAll(async () => void (milter = await startScriptedMilter()));
afterAll(async () => await milter.close());

const { settings } = readSettings({ directory: "/", world: fakeWorld(), main: "" });
const create = filtersOf(settings, (text) => void warnings.push(text));
const none = () => undefined;

/** A chain of one, up to the end of the envelope. */
async function chainToData(): Promise<FilterChain> {
  warnings.length = 0;
  const chain = create(milter.name)!;
  await chain.connect({ name: "unknown", address: "192.0.2.1", port: 1 }, none);
  await chain.mail(["<a@x.example>"], none);
  return chain;
}

/** A message that takes all changes. */
function message(): ChainMessage & { readonly edits: unknown[] } {
  const edits: unknown[] = [];
  return {
    edits,
    fields: [],
    isOver: false,
    apply: (edit) => void edits.push(edit),
    async replaceBody(pieces) {
      for await (const piece of pieces) edits.push(piece.length);
    },
    async *readBody() {},
  };
}

test("a filter that answers nothing holds up the body after two pieces of it", async () => {
  milter.play({ on: { body: ["silence"] } });
  const chain = await chainToData();
  const content = chain.beginContent(none);
  await content.header(["Subject: x\r\n"]);
  let fed = 0;
  let held: unknown;
  const piece = Buffer.alloc(10_000, "x");
  for (; held === undefined && fed < 25_000_000; fed += piece.length) held = content.body(piece);
  expect(held).toBeInstanceOf(Promise);
  expect(fed).toBeLessThan(3 * BODY_CHUNK);
  chain.quit();
  await until("the end", () => milter.open === 0);
});

test("an answer to what was broken off means nothing for the next message", async () => {
  milter.play({ on: { body: ["silence"] } });
  const chain = await chainToData();
  const content = chain.beginContent(none);
  await content.header([]);
  await content.body(Buffer.alloc(BODY_CHUNK + 2));
  await until("the piece", () => milter.bodyBytes === BODY_CHUNK);
  chain.abort();
  const next = chain.mail(["<b@x.example>"], none);
  milter.say({ is: "accept" });
  expect(await next).toBeUndefined();
  expect(await chain.rcpt(["<c@x.example>"], false, none)).toBeUndefined();
  expect(milter.heard.slice(-5)).toEqual([
    "abort",
    "  macros mail: ",
    "mail <b@x.example>",
    "  macros rcpt: ",
    "rcpt <c@x.example>",
  ]);
  chain.quit();
});

test("a filter that asks for changes without end is given up", async () => {
  const add = { is: "addHeader", name: "X", value: "y" } as const;
  milter.play({ on: { bodyEnd: Array.from({ length: 20_000 }, () => add) } });
  const chain = await chainToData();
  const content = chain.beginContent(none);
  await content.header([]);
  const target = message();
  expect(await content.end(target)).toMatchObject({ is: "refuse", reply: { code: 451 } });
  expect(target.edits.length).toBeLessThanOrEqual(10_000);
  expect(warnings.at(-1)).toEndWith("too many changes to one message");
  chain.quit();
});

test("one that is slow is given up after its time", async () => {
  milter.play({ on: { mail: ["silence"] } });
  const chain = create(`{ ${milter.name}, command_timeout=1s, default_action=accept }`)!;
  warnings.length = 0;
  await chain.connect({ name: "unknown", address: "192.0.2.1", port: 1 }, none);
  expect(await chain.mail(["<a@x.example>"], none)).toBeUndefined();
  expect(warnings).toEqual([
    `milter ${milter.name}: can't read SMFIC_MAIL reply packet header: Connection timed out`,
  ]);
  expect(chain.wantsContent).toBe(false);
  chain.quit();
});
