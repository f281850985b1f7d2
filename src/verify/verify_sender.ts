import { type Address, internalAddress, NULL_ADDRESS } from "../address/address.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";

/** The parameters that make the probe sender. */
export const VERIFY_SENDER_PARAMETERS = [
  "address_verify_sender",
  "address_verify_sender_ttl",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type VerifySenderSettings = SettingsOf<typeof VERIFY_SENDER_PARAMETERS>;

/** Digits, then consonants: no words come about by chance. Postfix's own alphabet, so that several MTAs of a site agree. */
const DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZ";

function encode(epoch: number): string {
  let out = "";
  for (let rest = epoch; rest > 0; rest = Math.floor(rest / DIGITS.length)) {
    out = DIGITS[rest % DIGITS.length] + out;
  }
  return out === "" ? "0" : out;
}

function decode(text: string): number | undefined {
  if (text.length > 10) return undefined;
  let out = 0;
  for (const letter of text) {
    const digit = DIGITS.indexOf(letter);
    if (digit < 0) return undefined;
    out = out * DIGITS.length + digit;
  }
  return out;
}

/** The sender of address verification probes (address_verify_sender, address_verify_sender_ttl). */
export class VerifySender {
  readonly #local: string;
  /** With its `@`; "" when the address has none. */
  readonly #domain: string;
  readonly #ttl: number;
  /** Without the part that changes, completed. */
  readonly template: Address;

  /** `standardForm` completes an address (rewriting in the local context). */
  constructor(settings: VerifySenderSettings, standardForm: (address: string) => Address) {
    const given = settings.address_verify_sender === "<>" ? "" : settings.address_verify_sender;
    const at = given.indexOf("@");
    if (at === 0 || (at > 0 && at === given.length - 1)) {
      const where = at === 0 ? "start" : "end";
      throw new Error(`parameter address_verify_sender: value "${given}" must not ${where} with '@'`);
    }
    this.#local = at < 0 ? given : given.slice(0, at);
    this.#domain = at < 0 ? "" : given.slice(at);
    this.#ttl = settings.address_verify_sender_ttl;
    this.template = given === "" ? NULL_ADDRESS : standardForm(given);
  }

  /** The address as it is now; "" is the null sender, which never changes. Not completed yet. */
  at(seconds: number): Address {
    if (this.template === "" || this.#ttl === 0) return internalAddress(this.#local + this.#domain);
    return internalAddress(this.#local + encode(Math.floor(seconds / this.#ttl)) + this.#domain);
  }

  /** Without the part that depends on the time; undefined when `address` is not ours, or out of its time and the two next to it. */
  recognize(address: string, seconds: number): Address | undefined {
    const { template } = this;
    if (template === "") return address === "" ? NULL_ADDRESS : undefined;
    const at = template.indexOf("@");
    const local = at < 0 ? template : template.slice(0, at);
    const domain = at < 0 ? "" : template.slice(at);
    const theirAt = address.indexOf("@", local.length);
    const end = theirAt < 0 ? address.length : theirAt;
    if (address.slice(0, local.length).toLowerCase() !== local.toLowerCase()) return undefined;
    if (address.slice(end).toLowerCase() !== domain.toLowerCase()) return undefined;
    return this.#isCurrent(address.slice(local.length, end), seconds) ? template : undefined;
  }

  #isCurrent(variable: string, seconds: number): boolean {
    if (this.#ttl === 0) return variable === "";
    const theirs = decode(variable);
    return theirs !== undefined && Math.abs(theirs - Math.floor(seconds / this.#ttl)) <= 1;
  }
}
