/** Makes the compiler prove that a switch on a union is complete; throws if it ever runs. */
export function assertNever(value: never): never {
  throw new TypeError(`Unexpected case: ${JSON.stringify(value)}`);
}
