import { type Configuration, type Service, serviceKey } from "./service.ts";

/** The same configuration, with these services (by `name/type`) closed, and why; workers that read its texts close them too. */
export function closeServices(
  configuration: Configuration,
  closed: ReadonlyMap<string, string>,
): Configuration {
  if (closed.size === 0) return configuration;
  const { services, texts } = configuration;
  return {
    ...configuration,
    services: services.map((service) => withClosing(service, closed)),
    ...(texts !== undefined &&
      { texts: { ...texts, closed: { ...texts.closed, ...Object.fromEntries(closed) } } }),
  };
}

/** A service that is closed already stays so for its first reason. */
export function withClosing(service: Service, closed: ReadonlyMap<string, string>): Service {
  const why = closed.get(serviceKey(service));
  return why === undefined || service.closed !== undefined ? service : { ...service, closed: why };
}
