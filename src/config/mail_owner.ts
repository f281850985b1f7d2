/** Accounts that systems bring along, for when nobody has made one for mail. */
const STAND_INS = ["mta", "mail", "daemon", "nobody"];

/** The account that stands in for a mail_owner that nobody set and nobody made; undefined when there is none without rights. */
export function mailOwnerStandIn<User extends { readonly uid: number; readonly gid: number }>(
  userByName: (name: string) => User | undefined,
): User | undefined {
  return STAND_INS.map(userByName).find((user) => user !== undefined && user.uid !== 0 && user.gid !== 0);
}
