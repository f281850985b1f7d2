/** Types that answer from this process, its files and its system, without asking another program or host; types of Postfix that are not here (dbm, sdbm) too. */
const IN_PROCESS: ReadonlySet<string> = new Set([
  ...[
    "btree",
    "cdb",
    "cidr",
    "dbm",
    "environ",
    "fail",
    "hash",
    "inline",
    "internal",
    "lmdb",
    "pcre",
    "pipemap",
  ],
  ...["proxy", "randmap", "regexp", "sdbm", "static", "texthash", "unionmap", "unix"],
]);

/** Whether a table of this type answers without asking anybody; tables made of tables do as their members do. */
export function isInProcess(type: string): boolean {
  return IN_PROCESS.has(type);
}
