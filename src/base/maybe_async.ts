/** A value that is usually there at once and sometimes only later. Hot paths branch on `isPromise` instead of awaiting. */
export type MaybeAsync<T> = T | Promise<T>;

/** Tells a pending answer from one that is already there. */
export function isPromise<T>(value: MaybeAsync<T>): value is Promise<T> {
  return value instanceof Promise;
}

/** Applies `next` to the value now when it is there, later when it is not: no microtask on the direct way. */
export function then<T, U>(value: MaybeAsync<T>, next: (value: T) => MaybeAsync<U>): MaybeAsync<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
