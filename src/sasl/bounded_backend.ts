import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import type { AuthBackend, AuthExchange, AuthSession, AuthStep } from "./auth_backend.ts";

const TOO_MANY: AuthStep = {
  is: "failed",
  temporary: true,
  reason: "too many logins wait for the authentication server",
};

/**
 * A back end that is asked for at most so many sessions at a time: whoever waits for another daemon holds a slot that others would have.
 * From where somebody has logged in before (rank 0), all may.
 */
export function boundedBackend(backend: AuthBackend, most: number): AuthBackend {
  let waiting = 0;
  const counted = async (step: Promise<AuthStep>): Promise<AuthStep> => {
    waiting++;
    try {
      return await step;
    } finally {
      waiting--;
    }
  };
  const begin = (name: string, session: AuthSession): AuthExchange => {
    const exchange = backend.begin(name, session);
    const step = (response: Buffer | undefined): MaybeAsync<AuthStep> => {
      if (waiting >= most && session.rank !== 0) {
        exchange.abort();
        return TOO_MANY;
      }
      const answer = exchange.step(response);
      return isPromise(answer) ? counted(answer) : answer;
    };
    return { step, abort: () => exchange.abort() };
  };
  return {
    texts: backend.texts,
    offer: (session) => backend.offer(session),
    begin,
    close: () => backend.close(),
  };
}
