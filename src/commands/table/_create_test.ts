import { expect, test } from "bun:test";
import { INDEX_FORMATS } from "../../table/index/index_formats.ts";
import { TableFault } from "../../table/index/record_file.ts";
import { updating } from "./_create.ts";
import { ToolFault } from "./_options.ts";

test("what a table cannot hold is told as the tool tells things, and our own bugs are not", () => {
  const fails = (error: Error) => () =>
    updating(INDEX_FORMATS.hash!, "/etc/access.db", () => {
      throw error;
    });
  expect(fails(new TableFault("more than 8 GiB of records"))).toThrow(
    new ToolFault("error updating /etc/access.db: more than 8 GiB of records"),
  );
  expect(fails(new TypeError("a bug"))).toThrow(new TypeError("a bug"));
});
