import type { Settings } from "./parameters/settings_type.ts";

/** A line of master.cf, with the settings that hold for it (master(5)). */
export interface Service {
  /** Field 1 as written: `smtp`, `127.0.0.1:10025`, `submission`, a transport's name. */
  readonly name: string;
  readonly type: "inet" | "unix" | "unix-dgram" | "fifo" | "pass";
  readonly private: boolean;
  readonly unprivileged: boolean;
  readonly chroot: boolean;
  /** Seconds, 0 = none. */
  readonly wakeup: number;
  /** Concurrent sessions or deliveries; 0 = no limit. `-` is already $default_process_limit here. */
  readonly processLimit: number;
  /** Program of field 8: smtpd, smtp, local, ... */
  readonly program: string;
  /** Arguments without the common options. */
  readonly args: readonly string[];
  /** How often `-v` was given. */
  readonly verbose: number;
  /** This container's default gateways that mynetworks contains, but not by name, and that are therefore not trusted. */
  untrustedGateways?(): readonly string[];
  /** master.cf line, for messages. */
  readonly line: number;
  /** `?` after the wake-up time: no wake-up before first use. */
  readonly wakeupWhenUsed?: boolean;
  /** main.cf with this service's `-o` on top. */
  readonly settings: Settings;
  /** The same when all slots of an inet service with a limit above 1 are busy: with `stress = yes` (STRESS_README). */
  readonly stressed?: Settings;
  /**
   * Any parameter by name, expanded, with this service's `-o`: user-defined ones, restriction classes,
   * `<transport>_destination_concurrency_limit`, table parameters. Undefined when it is neither set nor built in.
   */
  parameter(name: string): string | undefined;
  /**
   * Why it does not serve, where its program would not start under Postfix: its port turns clients away, its mail waits. Values that
   * cannot be used have their defaults in `settings` then.
   */
  readonly closed?: string;
}

/** How an entry of master.cf is named in findings: `smtp/inet`. */
export function serviceKey({ name, type }: Pick<Service, "name" | "type">): string {
  return `${name}/${type}`;
}

/** A value that does not come from main.cf: from the environment or the command line, as written there. */
export interface OverridingText {
  readonly name: string;
  readonly value: string;
  /** `environment MTA_<name>` or `command line`. */
  readonly file: string;
  readonly secret?: boolean;
}

/** What a configuration was read from: enough for another process to load the very same one (`loadConfiguration`). */
export interface ConfigurationTexts {
  readonly main: string;
  readonly master: string;
  readonly overrides: readonly OverridingText[];
  /** Files of tables that only master may read: their bytes, one a character, by absolute path. */
  readonly lent?: Readonly<Record<string, string>>;
  /** The same of files of TLS, which are handed over anew when they change; of a folder with authorities, all of them. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Services, as `name/type`, that may not serve, and why: master found it in more than the texts. */
  readonly closed?: Readonly<Record<string, string>>;
}

/** A configuration that has been read and found good. */
export interface Configuration {
  /** Absolute path. */
  readonly directory: string;
  /** main.cf alone. */
  readonly settings: Settings;
  parameter(name: string): string | undefined;
  /** Whether main.cf (or the environment) sets the name, whatever the value. */
  isSet(name: string): boolean;
  readonly services: readonly Service[];
  /** What it was read from; hand it to a worker. It holds secrets: never log it. */
  readonly texts?: ConfigurationTexts;
}
