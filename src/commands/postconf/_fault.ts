/** Ends postconf with Postfix's message; caught once, in postconf.ts. */
export class PostconfFault extends Error {
  override readonly name = "PostconfFault";
}

/** Stops with a message. */
export function fatal(text: string): never {
  throw new PostconfFault(text);
}
