import { type Address, splitAddress } from "../../address/address.ts";
import { splitExtension } from "../../table/search/extension.ts";
import type { Identity } from "../mailbox/writer.ts";
import type { LocalSettings } from "./local_settings.ts";
import type { TemplateValues } from "./command_template.ts";
import type { LocalUser } from "./users.ts";

/** What is true of an address at one place of the expansion. */
export interface Place {
  readonly address: Address;
  readonly level: number;
  /** What named the address; undefined for the recipient itself. */
  readonly source?: "alias" | "forward" | "include";
  /** The alias or user that named it. */
  readonly by?: string;
  /** Whose rights commands and files get; undefined: default_privs. */
  readonly identity?: Identity;
  /** The user whose `.forward` is being expanded. */
  readonly user?: LocalUser;
  readonly sender: Address;
  /** Members go out as new mail (a list with an owner, an :include: file). */
  readonly indirect: boolean;
  readonly owned: boolean;
  /** For Delivered-To. */
  readonly delivered: string;
  /** `\user`: past aliases and .forward. */
  readonly direct: boolean;
}

/** The parts of a local address. */
export interface Name {
  readonly local: string;
  /** Local part in lower case, whole and without extension. */
  readonly full: string;
  readonly user: string;
  readonly extension: string | undefined;
  readonly delimiter: string;
  readonly domain: string;
}

/** The settings that decide how an address is taken apart. */
type NameSettings = Pick<LocalSettings, "recipient_delimiter" | "owner_request_special">;

/** Takes a local address apart. */
export function nameOf(address: string, settings: NameSettings): Name {
  const { local, domain } = splitAddress(address);
  const { base, extension, delimiter } = splitExtension(
    local,
    settings.recipient_delimiter,
    settings.owner_request_special,
  );
  return { local, full: local.toLowerCase(), user: base.toLowerCase(), extension, delimiter, domain };
}

/** What templates may say about a place. */
export function templateValues(
  name: Name,
  place: Place,
  user: LocalUser | undefined,
  settings: NameSettings,
): TemplateValues {
  return {
    user: name.user,
    local: name.local,
    domain: name.domain,
    recipient: place.address,
    extension: name.extension,
    recipient_delimiter: name.delimiter === "" ? settings.recipient_delimiter.slice(0, 1) : name.delimiter,
    home: user?.home,
    shell: user?.shell,
  };
}
