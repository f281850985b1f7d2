/** Why a user cannot be changed or asked about, for the operator. */
export class UserFault extends Error {
  override readonly name = "UserFault";
}
