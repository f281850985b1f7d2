import { decodeName, encodeName } from "./gs2_name.ts";
import { utf8 } from "../password/utf8.ts";

/** What the client says of channel binding: `n` does not know it, `y` thinks that the server does not, else the type it binds to. */
export type BindingFlag = { readonly flag: "n" | "y" } | { readonly flag: "p"; readonly type: string };

/** The client's first message (RFC 5802 §7). */
export interface ClientFirst {
  readonly binding: BindingFlag;
  readonly authorizationId: string;
  readonly username: string;
  readonly nonce: string;
  /** As it stands, for the proofs. */
  readonly header: string;
  readonly bare: string;
}

/** The server's first. */
export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

/** The client's second. */
export interface ClientFinal {
  readonly binding: Buffer;
  readonly nonce: string;
  readonly proof: Buffer;
  /** All but the proof, as it stands. */
  readonly withoutProof: string;
}

const HEADER = /^(?:([ny])|p=([A-Za-z0-9.\-]+)),(?:a=([^,]*))?,/;
/** A nonce is printable and has no comma; so is what an extension may say. */
const NONCE = "[\\x21-\\x2b\\x2d-\\x7e]+";
const EXTENSIONS = "(?:,[A-Za-z]=[^\\0,]+)*";
const BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
const CLIENT_FIRST = new RegExp(`^n=([^,]+),r=(${NONCE})${EXTENSIONS}$`);
const SERVER_FIRST = new RegExp(`^r=(${NONCE}),s=(${BASE64}),i=([1-9]\\d{0,9})${EXTENSIONS}$`);
const CLIENT_FINAL = new RegExp(`^(c=(${BASE64}),r=(${NONCE})${EXTENSIONS}),p=(${BASE64})$`);
const SERVER_FINAL = new RegExp(`^v=(${BASE64})${EXTENSIONS}$`);

/** Reads the client's first message. A mandatory extension (`m=`) is nothing that is known here. */
export function parseClientFirst(bytes: Uint8Array): ClientFirst | undefined {
  const text = utf8(bytes) ?? "";
  const head = HEADER.exec(text);
  if (head === null) return undefined;
  const [header, flag, type, authorization] = head;
  const bare = text.slice(header.length);
  const match = CLIENT_FIRST.exec(bare);
  const [username, authorizationId] = [decodeName(match?.[1] ?? ""), decodeName(authorization ?? "")];
  if (match === null || username === undefined || authorizationId === undefined) return undefined;
  const binding: BindingFlag = type === undefined ? { flag: flag === "y" ? "y" : "n" } : { flag: "p", type };
  return { binding, authorizationId, username, nonce: match[2]!, header, bare };
}

/** What comes before the bare message. */
export function printHeader(binding: BindingFlag, authorizationId: string): string {
  const flag = binding.flag === "p" ? `p=${binding.type}` : binding.flag;
  return `${flag},${authorizationId === "" ? "" : `a=${encodeName(authorizationId)}`},`;
}

/** The client's first message but for its header. */
export function printClientFirstBare(username: string, nonce: string): string {
  return `n=${encodeName(username)},r=${nonce}`;
}

/** Reads the server's first message. */
export function parseServerFirst(bytes: Uint8Array): ServerFirst | undefined {
  const match = SERVER_FIRST.exec(utf8(bytes) ?? "");
  if (match === null) return undefined;
  return { nonce: match[1]!, salt: Buffer.from(match[2]!, "base64"), iterations: Number(match[3]) };
}

/** Writes it. */
export function printServerFirst({ nonce, salt, iterations }: ServerFirst): string {
  return `r=${nonce},s=${salt.toString("base64")},i=${iterations}`;
}

/** Reads the client's second message. */
export function parseClientFinal(bytes: Uint8Array): ClientFinal | undefined {
  const match = CLIENT_FINAL.exec(utf8(bytes) ?? "");
  if (match === null) return undefined;
  return {
    withoutProof: match[1]!,
    binding: Buffer.from(match[2]!, "base64"),
    nonce: match[3]!,
    proof: Buffer.from(match[4]!, "base64"),
  };
}

/** The client's second message but for the proof. */
export function printClientFinal(binding: Buffer, nonce: string): string {
  return `c=${binding.toString("base64")},r=${nonce}`;
}

/** The server's signature in its last message; undefined also for an error that it reports (`e=`). */
export function parseServerFinal(bytes: Uint8Array): Buffer | undefined {
  const match = SERVER_FINAL.exec(utf8(bytes) ?? "");
  return match === null ? undefined : Buffer.from(match[1]!, "base64");
}
