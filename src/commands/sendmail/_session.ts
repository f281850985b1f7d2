import { type AccessPolicy, PASS } from "../../access/policy.ts";
import { systemClock } from "../../base/clock.ts";
import { overlay } from "../../config/overlay.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import type { Service } from "../../config/service.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { dropFolder } from "../../pickup/drop/drop_folder.ts";
import type { ClientName } from "../../dns/reverse.ts";
import { randomInt } from "../../platform/crypto/digest.ts";
import { systemDisk } from "../../platform/file/durable_file.ts";
import { overStandardStreams } from "../../platform/socket/standard_connection.ts";
import { queueIdSource } from "../../queue/queue_id.ts";
import { FreeSpace } from "../../queue/file_store/free_space.ts";
import type { SmtpdDeps } from "../../smtpd/deps.ts";
import { createSmtpd } from "../../smtpd/smtpd.ts";
import { dropCleanup } from "./_drop_cleanup.ts";
import { openLog } from "./_log.ts";

/** Whoever speaks here is a user of this machine, and may write drops without us: nothing is refused him (`smtpd -S`). */
const OPEN_POLICY: AccessPolicy = {
  open: () => ({ check: () => PASS, spf: () => undefined }),
  acceptsAddress: () => true,
  headerContext: () => ({ is: "local" }),
  problems: [],
  close: () => {},
};

const LOCALHOST: ClientName = {
  name: "localhost",
  reverseName: "localhost",
  nameStatus: 2,
  reverseNameStatus: 2,
};
const ENDS = { local: { address: "127.0.0.1", port: 25 }, remote: { address: "127.0.0.1", port: 0 } };

/** The service as master.cf would have it, without what a stream that cannot be encrypted has no use for. */
function serviceOf({ settings, parameter }: LightConfiguration): Service {
  return {
    name: "smtpd",
    type: "unix",
    private: false,
    unprivileged: true,
    chroot: false,
    wakeup: 0,
    processLimit: 0,
    program: "smtpd",
    args: [],
    verbose: 0,
    line: 0,
    settings: overlay(settings, {
      smtpd_peername_lookup: true,
      smtpd_proxy_filter: "",
      smtpd_tls_security_level: "none",
      smtpd_use_tls: false,
      smtpd_enforce_tls: false,
      smtpd_tls_wrappermode: false,
      smtpd_sasl_auth_enable: false,
    }),
    parameter,
  };
}

/** Whether there is room for a message of some size (queue_minfree, message_size_limit). */
function roomIn(settings: Settings): NonNullable<SmtpdDeps["queueRefusal"]> {
  const space = new FreeSpace({ disk: systemDisk, path: dropFolder(settings.queue_directory), settings });
  return (size) => {
    space.look();
    return space.trouble(size);
  };
}

/** Speaks SMTP on standard input and output (sendmail -bs); each message becomes a drop. */
export async function holdSession(configuration: LightConfiguration): Promise<void> {
  const { settings } = configuration;
  const log = openLog(settings);
  const smtpd = createSmtpd({
    service: serviceOf(configuration),
    access: OPEN_POLICY,
    cleanup: dropCleanup({
      queueDirectory: settings.queue_directory,
      sizeLimit: settings.message_size_limit,
      log,
    }),
    newId: queueIdSource({
      shard: 0,
      long: () => settings.enable_long_queue_ids,
      now: () => systemClock.now(),
      random: () => randomInt(0, 2 ** 32),
      taken: () => false,
    }),
    log,
    clock: systemClock,
    queueRefusal: roomIn(settings),
    clientLookup: () => LOCALHOST,
    // What smuggling is to a relay is nothing here: he could drop the second message himself.
    listed: (parameter) => parameter === "smtpd_forbid_bare_newline_exclusions",
  });
  await overStandardStreams(ENDS, (connection) => smtpd.accept(connection));
  log.flush();
}
