/**
 * A table that a session depends on cannot be asked: the session ends with 421, since nobody knows what the client may have
 * (smtpd(8), "Server local data error"). The message is the warning for the log.
 */
export class LocalDataFault extends Error {
  override readonly name = "LocalDataFault";
}
