const DOMAIN = ["domain", "expansion_limit", "result_format"];
/** What later versions of Postfix added to SQL servers, and our own `timeout`. */
const SERVER = ["idle_interval", "retry_interval", "timeout"];
const SQL = [...DOMAIN, "additional_conditions", "query", "select_field", "table", "where_field"];

/**
 * What a table client of that type may be told: in its own file, or in main.cf as `name_...` for `type:name` without a slash
 * (ldap_table(5), mysql_table(5), pgsql_table(5), sqlite_table(5), memcache_table(5); redis is our own).
 */
export const TABLE_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  ldap: [
    ...[...DOMAIN, "bind", "bind_dn", "bind_pw", "cache", "cache_expiry", "cache_size", "chase_referrals"],
    ...["debuglevel", "dereference", "leaf_result_attribute", "query_filter", "recursion_limit"],
    ...[
      "result_attribute",
      "result_filter",
      "sasl_authz_id",
      "sasl_mechs",
      "sasl_minssf",
      "sasl_realm",
      "scope",
    ],
    ...["search_base", "server_host", "server_port", "size_limit", "special_result_attribute", "start_tls"],
    ...["terminal_result_attribute", "timeout", "tls_ca_cert_dir", "tls_ca_cert_file", "tls_cert"],
    ...["tls_cipher_suite", "tls_key", "tls_random_file", "tls_require_cert", "version"],
  ],
  mysql: [
    ...[...SQL, ...SERVER, "charset", "dbname", "hosts", "option_file", "option_group", "password"],
    "require_result_set",
    ...[
      "tls_CAfile",
      "tls_CApath",
      "tls_cert_file",
      "tls_ciphers",
      "tls_key_file",
      "tls_verify_cert",
      "user",
    ],
  ],
  pgsql: [...SQL, ...SERVER, "dbname", "encoding", "hosts", "password", "select_function", "user"],
  sqlite: [...SQL, "dbpath"],
  memcache: [
    ...[
      "backup",
      "data_size_limit",
      "domain",
      "flags",
      "key_format",
      "line_size_limit",
      "max_try",
      "memcache",
    ],
    ...["retry_pause", "timeout", "ttl"],
  ],
  redis: [
    ...[...DOMAIN, "database", "hosts", "password", "query", "timeout", "tls", "tls_CAfile", "tls_cert_file"],
    ...["tls_key_file", "tls_verify_cert", "user"],
  ],
};
