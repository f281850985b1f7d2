import { join } from "node:path";
import type { Configuration } from "../config/service.ts";
import { createLog } from "../observe/create_log.ts";
import type { LogWriter } from "../observe/log_writer.ts";
import type { Child, ChildHandler, ChildOptions } from "../platform/socket/child.ts";
import type { MasterWorld } from "./master_world.ts";
import { SpawnServices } from "./spawn/spawn_services.ts";
import { workerEnvironment } from "../worker/worker_settings.ts";

/** Connections that wait for a command to end. */
const BACKLOG = 128;

/** The spawn(8) services of a master. `private` is mail_owner's alone; `public` also lets its group in, which the operator may change. */
export function spawnServices(
  { settings }: Configuration,
  world: MasterWorld,
  own: { spawn(options: ChildOptions, handler: ChildHandler): Child; readonly writer: LogWriter },
): SpawnServices {
  const { uid, gid } = world;
  return new SpawnServices({
    world: world.world,
    environment: workerEnvironment(settings.import_environment, world.environment),
    openInet: (at) => world.sockets.open(at, BACKLOG, false),
    openUnix: (configuration, { name, private: isPrivate }, identity) => {
      const [folder, folderMode] = isPrivate ? ["private", 0o700] as const : ["public", 0o710] as const;
      const path = join(configuration.settings.queue_directory, folder);
      return world.openQueueSocket({ folder: path, name, folderMode }, identity ?? { uid, gid });
    },
    closeSocket: (fd) => world.closeSocket(fd),
    spawn: own.spawn,
    after: (milliseconds, call) => world.after(milliseconds, call),
    logFor: (service) => createLog({ syslogName: service.settings.syslog_name, writer: own.writer }),
  });
}
