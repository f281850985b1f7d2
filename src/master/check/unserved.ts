import type { Configuration, Service } from "../../config/service.ts";

/** Programs of master.cf that do nothing here, and why: no entry is ignored in silence. */
const UNSERVED: Readonly<Record<string, string>> = {
  qmqpd: "QMQP is not served; submit by SMTP",
  spawn: "commands are not run for connections; use the system's own means (inetd, systemd.socket)",
};

/** What the operator should know of entries that do less than they say. */
export function unservedEntries({ directory, services }: Configuration): string[] {
  return services.flatMap((service) => {
    const place = `${directory}/master.cf, line ${service.line}, service ${service.name}/${service.type}`;
    const why = UNSERVED[service.program] ?? postscreenNote(service);
    return why === undefined ? [] : [`${place}: ${service.program}: ${why}`];
  });
}

function postscreenNote({ program }: Service): string | undefined {
  if (program !== "postscreen") return undefined;
  return "clients go to the smtpd behind it (the entry of type pass) after postscreen's lists, without its other tests";
}
