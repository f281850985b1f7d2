declare const MTA_VERSION: string | undefined;

/** Our own version, put in by scripts/build.ts; `dev` when run from source. */
export const VERSION: string = typeof MTA_VERSION === "string" ? MTA_VERSION : "dev";

/** The Postfix release whose behaviour is the yardstick; `mail_version`. */
export const POSTFIX_VERSION = "3.7.11";
