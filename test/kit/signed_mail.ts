import type { DnsAnswer } from "../../src/dns/answer.ts";
import { type ContentResult, ContentVerifier } from "../../src/mailauth/content_verifier.ts";

/** Looks up TXT records. */
export interface TextResolver {
  txt(name: string): Promise<DnsAnswer<"TXT">>;
}

/** A resolver that knows these texts and nothing else. */
export function textResolver(texts: Readonly<Record<string, string | readonly string[]>>): TextResolver {
  return {
    txt(name) {
      const text = texts[name];
      if (text === undefined) return Promise.resolve({ is: "nxdomain", authentic: false });
      const all = typeof text === "string" ? [text] : text;
      const records = all.map((text) => ({ type: "TXT" as const, name, ttl: 60, text }));
      return Promise.resolve({ is: "records", records, canonical: name, authentic: false });
    },
  };
}

/** A message as verifiers and signers take it, one character a byte. */
export interface SplitMessage {
  readonly fields: readonly string[];
  readonly body: string;
}

/** Splits a message whose lines end in LF or CR LF. */
export function splitMessage(text: string): SplitMessage {
  const message = text.replace(/\r?\n/g, "\r\n");
  const fields: string[] = [];
  const field = /[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*/y;
  let end = 0;
  for (let found = field.exec(message); found !== null; found = field.exec(message)) {
    fields.push(found[0]);
    end = field.lastIndex;
  }
  return { fields, body: message.startsWith("\r\n", end) ? message.slice(end + 2) : "" };
}

/** What a message's signatures come to, the body in pieces of some length. */
export async function verifyMessage(
  { fields, body }: SplitMessage,
  resolver: TextResolver,
  now: number,
  pieces = 7,
): Promise<ContentResult> {
  const verifier = new ContentVerifier({ resolver, now: () => now });
  verifier.header(fields);
  const bytes = Buffer.from(body, "latin1");
  for (let at = 0; at < bytes.length; at += pieces) verifier.body(bytes.subarray(at, at + pieces));
  return await verifier.end();
}
