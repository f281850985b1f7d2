import type { ParameterName } from "./parameters/settings_type.ts";
import type { patterns } from "./parameters/parameters.ts";

/** What reading a configuration itself depends on: names, addresses, services. It asks by name, before there are settings. */
export const CONFIG_PARAMETERS = [
  "compatibility_level",
  "config_directory",
  "default_process_limit",
  "inet_interfaces",
  "inet_protocols",
  "known_tcp_ports",
  "mail_release_date",
  "mail_version",
  "master_service_disable",
  "mydomain",
  "myhostname",
  "mynetworks",
  "mynetworks_style",
  "myorigin",
  "process_id",
  "process_name",
  "proxy_interfaces",
  "service_name",
  "smtpd_restriction_classes",
  "smtpd_service_name",
  "stress",
  "trust_container_gateway",
] as const satisfies readonly ParameterName[];

/** Parameters whose names the configuration makes: restriction classes, tables that main.cf describes, whatever `$name` mentions. */
export const NAMED_PARAMETERS = [
  "<ldap-name>_<attribute>",
  "<memcache-name>_<attribute>",
  "<mysql-name>_<attribute>",
  "<pgsql-name>_<attribute>",
  "<sqlite-name>_<attribute>",
  "<restriction-class>",
  "<user-defined>",
] as const satisfies readonly (keyof typeof patterns)[];
