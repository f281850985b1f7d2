/** Something `mta check` found beyond the files' syntax. */
export interface Finding {
  /** `info`: what is right, and worth knowing (`mta check -v`). */
  readonly level: "fatal" | "warning" | "info";
  readonly text: string;
}
