// Talks to the trivial-rewrite(8) service of a private Postfix over its socket.
import net from "node:net";

export interface RealResolution {
  readonly flags: number;
  readonly transport: string;
  readonly nexthop: string;
  readonly recipient: string;
}

export interface TrivialRewrite {
  rewrite(context: "local" | "remote", address: string): Promise<string>;
  resolve(sender: string, address: string): Promise<RealResolution>;
  close(): void;
}

type Group = Map<string, string[]>;

/** Opens `queue/private/rewrite`. */
export async function openTrivialRewrite(queueDirectory: string): Promise<TrivialRewrite> {
  const socket = net.connect(`${queueDirectory}/private/rewrite`);
  await new Promise<void>((resolve, reject) => socket.once("connect", () => resolve()).once("error", reject));
  let buffer = Buffer.alloc(0);
  let wake: (() => void) | undefined;
  socket.on("data", (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    wake?.();
  });
  const takeGroup = (): Group | undefined => {
    const group: Group = new Map();
    for (let at = 0;;) {
      const end = buffer.indexOf(0, at);
      if (end < 0) return undefined;
      if (end === at) {
        buffer = buffer.subarray(end + 1);
        return group;
      }
      const valueEnd = buffer.indexOf(0, end + 1);
      if (valueEnd < 0) return undefined;
      const name = buffer.toString("utf8", at, end);
      group.set(name, [...group.get(name) ?? [], buffer.toString("utf8", end + 1, valueEnd)]);
      at = valueEnd + 1;
    }
  };
  const reply = async (): Promise<Group> => {
    for (;;) {
      const group = takeGroup();
      if (group !== undefined && !group.has("protocol")) return group;
      if (group === undefined) await new Promise<void>((resolve) => wake = resolve);
    }
  };
  const ask = async (attributes: readonly (readonly [string, string])[]): Promise<Group> => {
    socket.write(attributes.map(([name, value]) => `${name}\0${value}\0`).join("") + "\0");
    return await reply();
  };
  const last = (group: Group, name: string) => group.get(name)?.at(-1) ?? "";
  return {
    rewrite: async (context, address) =>
      last(await ask([["request", "rewrite"], ["rule", context], ["address", address]]), "address"),
    async resolve(sender, address) {
      const group = await ask([["request", "resolve"], ["sender", sender], ["address", address]]);
      return {
        flags: Number(last(group, "flags")),
        transport: last(group, "transport"),
        nexthop: last(group, "nexthop"),
        recipient: last(group, "recipient"),
      };
    },
    close: () => socket.destroy(),
  };
}
