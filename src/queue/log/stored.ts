import { Misfit, type Shape } from "../../base/shape.ts";
import type { Envelope } from "../envelope.ts";
import { storedEnvelope } from "../queue_shapes.ts";

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
