// The fields of a Countdown example with a Stream of Search trace around its response, as bytes: what JSON.stringify makes of
// data/example.ts's record. Held equal to traces.ts by test.
import { words } from "../../trace/formats/sosLines.ts";
import { trainId } from "../example.ts";
import { canonicalSteps, putSolution } from "./countdownSolution.ts";
import { type Literal, lineBytes, literal, put, putNumber, putNumbers, putText } from "./lineBytes.ts";

const id = literal('{"id":"');
const problem = literal('","problem":{"puzzle":"countdown","numbers":[');
const targetField = literal('],"target":');
const prompt = literal(`},"prompt":"${words.state}`);
const promptPool = literal(":[");
const response = literal('], Operations: []\\n","response":"');
const spans = literal('","spans":[[0,');
const trained = literal(']],"trainEnd":true,"format":"sos","solver":');
const cut = literal(']],"trainEnd":false,"format":"sos","solver":');
const solvedField = literal(',"origin":"trace","solved":true,"nodes":');
const unsolvedField = literal(',"origin":"trace","solved":false,"nodes":');
const solution = literal(',"solution":"');
const lineEnd = literal('"}\n');
const comma = 0x2c;

const largestPool = 8;
const shown = new Float64Array(largestPool);

/** Everything in front of the response. */
export function putHead(at: number, index: number, numbers: readonly number[], target: number): number {
  let end = put(putText(put(at, id), trainId(index)), problem);
  for (let place = 0; place < numbers.length; place++) {
    if (place > 0) lineBytes[end++] = comma;
    const number = numbers[place] as number;
    shown[place] = number;
    end = putNumber(end, number);
  }
  end = put(putNumber(put(end, targetField), target), prompt);
  end = putNumbers(put(putNumber(end, target), promptPool), shown, 0, numbers.length);
  return put(end, response);
}

/** What the fields behind a response say. */
export interface Tail {
  /** Characters of the response. */
  readonly length: number;
  readonly trainEnd: boolean;
  /** The solver's name as a JSON string. */
  readonly solver: Literal;
  readonly solved: boolean;
  readonly nodes: number;
}

/** Everything behind the response, the line end included. */
export function putTail(at: number, numbers: readonly number[], target: number, tail: Tail): number {
  let end = put(putNumber(put(at, spans), tail.length), tail.trainEnd ? trained : cut);
  end = put(put(end, tail.solver), tail.solved ? solvedField : unsolvedField);
  end = put(putNumber(end, tail.nodes), solution);
  return put(putSolution(end, numbers, target, canonicalSteps(numbers, target)), lineEnd);
}
