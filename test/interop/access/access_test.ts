// The scenarios of test/access against a private real Postfix: the same facts by XCLIENT, the same commands; replies, log
// notes and warnings must be equal to the letter.
import { ACTION_SCENARIOS } from "../../access/action_scenarios.ts";
import { ROW_SCENARIOS } from "../../access/row_scenarios.ts";
import { SCENARIOS } from "../../access/scenarios.ts";
import { compareScenarios } from "../../kit/scenes/compare_scenarios.ts";

compareScenarios("the access policy answers as Postfix does", [
  ...SCENARIOS,
  ...ACTION_SCENARIOS,
  ...ROW_SCENARIOS,
]);
