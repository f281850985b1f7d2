/** How a header or a body is made the same before it is hashed (RFC 6376 §3.4). */
export type Canonicalization = "simple" | "relaxed";
