import type { ClientFacts } from "../policy.ts";
import type { Deferral } from "./walk.ts";

/** What the policy remembers of a session between its stages. */
export interface SessionMemory {
  client: Deferral | undefined;
  helo: Deferral | undefined;
  sender: Deferral | undefined;
  /** For policy servers: one text per delivery request. */
  instance: string;
}

/** Memories by session; they go when the session's client object goes. */
export interface Sessions {
  of(client: ClientFacts): SessionMemory;
  /** A new transaction: another `instance`. */
  begin(client: ClientFacts): SessionMemory;
}

/** Builds the memories of one policy. */
export function createSessions(prefix: string): Sessions {
  const memories = new WeakMap<ClientFacts, SessionMemory>();
  let last = 0;
  const nextInstance = () => `${prefix}.${(++last).toString(16)}`;
  const of = (client: ClientFacts): SessionMemory => {
    const known = memories.get(client);
    if (known !== undefined) return known;
    const memory = { client: undefined, helo: undefined, sender: undefined, instance: nextInstance() };
    memories.set(client, memory);
    return memory;
  };
  return {
    of,
    begin(client) {
      const memory = of(client);
      memory.instance = nextInstance();
      return memory;
    },
  };
}
