import { list, Misfit, record, type Shape, text } from "../../base/shape.ts";
import type { Envelope } from "../envelope.ts";
import { storedEnvelope } from "../queue_shapes.ts";
import { type SiteKey, sitesOf } from "../index/site_index.ts";

/** Reads JSON that was stored; throws an Error that says what of it does not fit. */
export function readStored<T>(json: Buffer, shape: Shape<T>): T {
  const value = shape(JSON.parse(json.toString()));
  if (value instanceof Misfit) throw new Error(`its record does not fit: ${value}`);
  return value;
}

/** The envelope in the meta of a message's record. */
export function parseEnvelope(meta: Buffer): Envelope {
  return readStored(meta, storedEnvelope);
}

interface StoredRecipients {
  readonly recipients: readonly { readonly address: string }[];
}

const RECIPIENTS = record<StoredRecipients>({
  recipients: list(record<StoredRecipients["recipients"][number]>({ address: text(Infinity) }), Infinity),
});

/** The sites of the recipients in such a meta; none where it cannot be read, as whoever delivers the message will find. */
export function storedSites(meta: Buffer): SiteKey[] {
  try {
    return sitesOf(readStored(meta, RECIPIENTS).recipients.map(({ address }) => address));
  } catch {
    return [];
  }
}
