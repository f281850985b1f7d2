/** Something that keeps the service from starting, in words for the operator. */
export class StartFault extends Error {
  override readonly name = "StartFault";
}
