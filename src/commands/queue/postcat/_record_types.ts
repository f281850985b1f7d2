/** Types of records in Postfix's queue files, by the bytes that stand for them. */
export const RECORD_TYPE = {
  size: 67,
  time: 84,
  createTime: 99,
  contentFilter: 76,
  sender: 83,
  recipient: 82,
  doneRecipient: 68,
  originalRecipient: 79,
  warning: 87,
  attribute: 65,
  content: 77,
  extracted: 88,
  end: 69,
  line: 78,
  /** A piece of a line that goes on; the same byte as a content filter's, which is in the envelope. */
  piece: 76,
  padding: 119,
  pointer: 112,
} as const;

/** What postcat(1) calls the types. */
const NAMES: Readonly<Record<string, string>> = {
  C: "message_size",
  T: "message_arrival_time",
  c: "queue_file_create_time",
  F: "sender_fullname",
  I: "content_inspector",
  L: "content_filter",
  S: "sender",
  D: "done_recipient",
  "/": "canceled_recipient",
  R: "recipient",
  O: "original_recipient",
  W: "warning_message_time",
  A: "named_attribute",
  p: "pointer_record",
  K: "killed_record",
  M: "message_content",
  N: "regular_text",
  w: "padding",
  X: "extracted_info",
  r: "return_receipt",
  e: "errors_to",
  P: "priority",
  V: "verp_delimiters",
  E: "message_end",
  ">": "redirect_to",
  f: "flags",
  "<": "dsn_return_flags",
  i: "dsn_envelope_id",
  o: "dsn_original_recipient",
  n: "dsn_notify_flags",
};

export function recordName(type: number): string {
  return NAMES[String.fromCharCode(type)] ?? "unknown_record_type";
}

/** Whether an envelope may begin with such a record: what else is there is no queue file. */
export function beginsEnvelope(type: number): boolean {
  return "MCTcFILSDRO/WVA>K<ion".includes(String.fromCharCode(type));
}

/** A record, and where it is in its file. */
export interface QueueFileRecord {
  readonly offset: number;
  readonly type: number;
  readonly data: Buffer;
}
