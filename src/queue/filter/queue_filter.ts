import { type FieldShapes, finite, list, optional, record, type Shape, text } from "../../base/shape.ts";

/**
 * Which messages are meant: the values of one field are alternatives, the fields must all hold. Values are as
 * ./filter_options.ts makes them: lower case, domains in their ASCII form.
 */
export interface QueueFilter {
  /** Patterns of the sender: `*` stands for any text, `<>` is the null sender. */
  readonly from?: readonly string[];
  /** Patterns of a recipient to whom the message is still to be delivered. */
  readonly to?: readonly string[];
  /** Domains of such a recipient; `.example.com` is all that is below it. */
  readonly domain?: readonly string[];
  /** Queues, `expired` (postsuper -e), or the beginning of a recipient's enhanced status code, by whole numbers: `4`, `4.7`. */
  readonly status?: readonly string[];
  /** In the queue for at least so many milliseconds. */
  readonly olderThan?: number;
}

/** Values of one field. */
export const MOST_VALUES = 100;
/** Characters of all values together: a filter has to fit into a request. */
export const MOST_CHARACTERS = 4096;

const values: Shape<readonly string[]> = list(text(MOST_CHARACTERS), MOST_VALUES);

const FIELDS: FieldShapes<QueueFilter> = {
  from: optional(values),
  to: optional(values),
  domain: optional(values),
  status: optional(values),
  olderThan: optional(finite),
};

/** The check of a filter that comes from elsewhere. */
export const queueFilter: Shape<QueueFilter> = record<QueueFilter>(FIELDS);
