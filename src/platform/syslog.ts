import { errno, libc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = 11;
const ENOBUFS = 105;

const open = () =>
  libc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
    send: { args: ["i32", "ptr", "usize", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
let calls: ReturnType<typeof open> | undefined;

/** Numbers of syslog's facilities (syslog(3)); `syslog_facility` names one. */
export const FACILITIES: Readonly<Record<string, number>> = {
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
};

/** A datagram socket to the system's log daemon. */
export interface SyslogSocket {
  /** Sends one line. "busy" asks to try again a little later; "gone" means that nobody listens (now). */
  send(line: Uint8Array): "sent" | "busy" | "gone";
  close(): void;
}

function connected(path: string): number {
  const c = calls ??= open();
  const fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const address = new Uint8Array(110);
  address[0] = AF_UNIX;
  address.set(Buffer.from(path), 2);
  if (c.connect(fd, address, 2 + path.length + 1) === 0) return fd;
  c.close(fd);
  return -1;
}

/** Connects to the log daemon, again after it was restarted; never blocks. */
export function openSyslog(path = "/dev/log"): SyslogSocket {
  let fd = connected(path);
  let triedAt = Date.now();
  const reconnect = () => {
    if (Date.now() - triedAt < 1000) return;
    triedAt = Date.now();
    fd = connected(path);
  };
  const close = () => {
    if (fd >= 0) calls!.close(fd);
    fd = -1;
  };
  return {
    close,
    send(line) {
      for (let attempt = 0; attempt < 2; attempt++) {
        if (fd < 0) reconnect();
        if (fd < 0) return "gone";
        if (calls!.send(fd, line, line.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return "sent";
        const why = errno();
        if (why === EAGAIN || why === ENOBUFS) return "busy";
        close();
      }
      return "gone";
    },
  };
}
