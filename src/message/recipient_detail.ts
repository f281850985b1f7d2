/** What a delivery status notification needs to know of an attempt (RFC 3464 §2.3). */
export interface RecipientDetail {
  /** Enhanced status. */
  readonly status: string;
  /** Text as in the log line's parentheses. */
  readonly text: string;
  /** DSN action. */
  readonly action:
    | "failed"
    | "delayed"
    | "delivered"
    | "relayed"
    | "expanded"
    | "deliverable"
    | "undeliverable";
  /** Remote-MTA name, when a remote host answered. */
  readonly remoteMta?: string;
  /** Diagnostic-Code: type and text. */
  readonly diagnosticType?: "smtp" | "x-unix" | "X-Postfix";
  readonly diagnostic?: string;
  /** The final address, where local expansion made it another than the recipient's. */
  readonly address?: string;
  /** Who is told of the failure in place of the sender: the owner of the list that it is of. */
  readonly owner?: string;
  /** It is a member of that list: what the sender called it, and wished of notices, does not count. */
  readonly member?: true;
  /** Further failures of the same recipient, when it was expanded into several. */
  readonly others?: readonly RecipientDetail[];
}
