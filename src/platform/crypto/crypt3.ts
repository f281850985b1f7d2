import { Worker } from "node:worker_threads";
import { systemErrorText } from "../system_error.ts";
import { isSameSecret } from "./digest.ts";

// crypt(3) of the system's library, which knows what /etc/shadow holds: yescrypt, SHA-crypt, MD5-crypt. It takes as long as it takes, so
// it runs on a thread of its own, one password after the other.

/** libxcrypt's name where it stands in for glibc's, its own, and musl's. */
const LIBRARIES = ["libcrypt.so.1", "libcrypt.so.2", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
/** Room for struct crypt_data, whose size differs: glibc's is the largest. */
const STATE = 131_232;

/** What the thread runs. It is text, so that it needs no file beside the executable. */
const PROGRAM = `
const { dlopen, ptr } = require("bun:ffi");
const { parentPort } = require("node:worker_threads");
const state = Buffer.alloc(${STATE});
let crypt;
for (const name of ${JSON.stringify(LIBRARIES)}) {
  if (crypt !== undefined) break;
  try {
    crypt = dlopen(name, { crypt_r: { args: ["ptr", "ptr", "ptr"], returns: "cstring" } }).symbols.crypt_r;
  } catch {}
}
parentPort.on("message", ({ id, password, setting }) => {
  if (crypt === undefined) return parentPort.postMessage({ id, missing: true });
  const ended = Buffer.concat([password, Buffer.alloc(1)]);
  const hash = crypt(ptr(ended), ptr(Buffer.from(setting + "\\0", "latin1")), ptr(state));
  parentPort.postMessage({ id, hash: hash === null ? "*" : String(hash) });
  ended.fill(0);
  state.fill(0);
});
`;

interface Answered {
  readonly id: number;
  readonly hash?: string;
  readonly missing?: true;
}

type Waiting = PromiseWithResolvers<string>;

let thread: Worker | undefined;
let count = 0;
const waiting = new Map<number, Waiting>();

function failAll(why: string): void {
  thread = undefined;
  for (const { reject } of waiting.values()) reject(new Error(`Cannot use crypt(3): ${why}`));
  waiting.clear();
}

function start(): Worker {
  const worker = new Worker(PROGRAM, { eval: true });
  worker.on("message", ({ id, hash, missing }: Answered) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker.unref();
    if (missing === true) asked?.reject(new Error("Cannot use crypt(3): libcrypt is not installed"));
    else asked?.resolve(hash ?? "*");
  });
  worker.on("error", (error) => failAll(systemErrorText(error)));
  return worker;
}

/** Hashes a password as `setting` says, which may be a whole hash; rejects where there is no such library. */
function crypt(password: Uint8Array, setting: string): Promise<string> {
  const worker = thread ??= start();
  const answer = Promise.withResolvers<string>();
  const id = ++count;
  waiting.set(id, answer);
  worker.ref();
  worker.postMessage({ id, password, setting });
  return answer.promise;
}

/** Whether a password is that of a hash in crypt(3)'s form. Rejects where the library is not there, or does not know such hashes. */
export async function isCryptPassword(password: Uint8Array, hash: string): Promise<boolean> {
  const made = await crypt(password, hash);
  if (made.startsWith("*")) throw new Error(`Cannot use crypt(3): unsupported hash ${methodOf(hash)}`);
  return isSameSecret(Buffer.from(made), Buffer.from(hash));
}

/** `$y$` of `$y$j9T$...`: what may be told of a hash. */
function methodOf(hash: string): string {
  return /^\$[^$]*\$/.exec(hash)?.[0] ?? "of an unknown kind";
}
