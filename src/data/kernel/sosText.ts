// The lines of a Stream of Search text as bytes of a JSON line. A node's state line, label and list of operations stay where
// they were written first and are copied from there. Held equal to the format `sos` by test.
import { words } from "../../trace/formats/sosLines.ts";
import { copy, copyShort, type Literal, lineBytes, literal, put, putNumber, putNumbers } from "./lineBytes.ts";
import { enterChild, leftOf, mostNodes, operatorOf, poolSlot, pools, resultOf, rightOf, shownPools } from "./sosChildren.ts";

const exploring = literal(words.exploring);
const resulting = literal(", Resulting Numbers: [");
const poolEndGenerated = literal(`]\\n${words.generated}`);
const operation = literal("] Operation: ");
const moving = literal(words.moving);
const operations = literal("], Operations: [");
const nextOperation = literal("', '");
const lineEnd = literal("\\n");
const poolEnd = literal("]\\n");
const ending = literal(`${words.ending}\\n`);
const operatorCodes = Uint8Array.from("+*-/", (operator) => operator.charCodeAt(0));
const comma = 0x2c;
const quoteMark = 0x27;
const equals = 0x3d;

/** Where the texts of each node stand in the line, and how long they are. */
const labelAt = new Int32Array(mostNodes);
const labelLength = new Int32Array(mostNodes);
/** Operations from the root, without brackets. */
const operationsAt = new Int32Array(mostNodes);
const operationsLength = new Int32Array(mostNodes);
/** The node's own operation; the root has none. */
const operationAt = new Int32Array(mostNodes);
const operationLength = new Int32Array(mostNodes);
const parents = new Int32Array(mostNodes);
/** The two lines of a move to the node. */
const moveAt = new Int32Array(mostNodes);
const moveLength = new Int32Array(mostNodes);

/** The pieces of text that hold the target. */
export interface TargetTexts {
  /** Between a node's label and its pool, where it is generated, and where it is moved to. */
  readonly generated: Literal;
  readonly state: Literal;
  /** Behind the number that a leaf is left with: the verdict. */
  readonly unequal: Literal;
  readonly equal: Literal;
}

/** Made once for each target. */
export function targetTexts(target: number): TargetTexts {
  return {
    generated: literal(`: ${target}:[`),
    state: literal(`\\n${words.state}${target}:[`),
    unequal: literal(`,${target}${words.unequal}\\n`),
    equal: literal(`,${target}${words.equal}\\n`),
  };
}

/** Numbers of the node's pool as listed, without brackets. */
function putPool(at: number, node: number, size: number): number {
  return putNumbers(at, shownPools, node * poolSlot, size);
}

function putEquation(at: number, node: number, child: number): number {
  let end = putNumber(at, leftOf(node, child));
  lineBytes[end] = operatorCodes[operatorOf(child)] as number;
  end = putNumber(end + 1, rightOf(node, child));
  lineBytes[end] = equals;
  return putNumber(end + 1, resultOf(child));
}

/**
 * Takes the problem's numbers as the root's, and writes what moves to the root say. That is not part of the line, which
 * begins behind it.
 */
export function startText(at: number, numbers: readonly number[], texts: TargetTexts): number {
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index] as number;
    shownPools[index] = number;
    let place = index;
    for (; place > 0 && (pools[place - 1] as number) < number; place--) pools[place] = pools[place - 1] as number;
    pools[place] = number;
  }
  labelLength[0] = 1;
  operationsLength[0] = 0;
  moveAt[0] = at;
  let end = put(at, moving);
  labelAt[0] = end;
  end = putState(putNumber(end, 0), 0, numbers.length, texts);
  operationsAt[0] = end;
  end = put(end, poolEnd);
  moveLength[0] = end - at;
  return end;
}

/** The state line's part in front of the operations, and the end of the line before it. */
function putState(at: number, node: number, size: number, { state }: TargetTexts): number {
  return put(putPool(put(at, state), node, size), operations);
}

/** The two lines of a child that is a leaf, and its verdict. */
export function putLeaf(at: number, node: number, child: number, isGoal: boolean, texts: TargetTexts): number {
  const resultAt = put(putEquation(put(at, exploring), node, child), resulting);
  const end = put(putNumber(resultAt, resultOf(child)), poolEnd);
  const length = end - resultAt - poolEnd.length;
  return put(copyShort(end, resultAt, length), isGoal ? texts.equal : texts.unequal);
}

/** The two lines of a child to go to, the `nth` of its parent (from 0), which becomes node `as`. */
export function putChild(
  at: number,
  node: number,
  size: number,
  child: number,
  nth: number,
  as: number,
  texts: TargetTexts,
): number {
  enterChild(node, size, child, as);
  parents[as] = node;
  let end = put(at, exploring);
  operationAt[as] = end;
  end = putEquation(end, node, child);
  const equationLength = end - (operationAt[as] as number);
  operationLength[as] = equationLength;
  end = put(end, resulting);
  const poolAt = end;
  end = putPool(end, as, size - 1);
  const poolLength = end - poolAt;
  end = put(end, poolEndGenerated);
  labelAt[as] = end;
  end = copyShort(end, labelAt[node] as number, labelLength[node] as number);
  lineBytes[end] = comma;
  end = putNumber(end + 1, nth);
  labelLength[as] = end - (labelAt[as] as number);
  end = put(copyShort(put(end, texts.generated), poolAt, poolLength), operation);
  return put(copyShort(end, operationAt[as] as number, equationLength), lineEnd);
}

/** The two lines of a first move to a node. */
export function putMove(at: number, node: number, size: number, texts: TargetTexts): number {
  const parent = parents[node] as number;
  moveAt[node] = at;
  let end = copyShort(put(at, moving), labelAt[node] as number, labelLength[node] as number);
  end = putState(end, node, size, texts);
  operationsAt[node] = end;
  if ((operationsLength[parent] as number) > 0) {
    // All but the closing mark, which the separator brings along.
    end = put(copy(end, operationsAt[parent] as number, (operationsLength[parent] as number) - 1), nextOperation);
  } else lineBytes[end++] = quoteMark;
  end = copyShort(end, operationAt[node] as number, operationLength[node] as number);
  lineBytes[end++] = quoteMark;
  operationsLength[node] = end - (operationsAt[node] as number);
  end = put(end, poolEnd);
  moveLength[node] = end - at;
  return end;
}

/** The two lines of a move back to a node that the search was at before. */
export function putMoveBack(at: number, node: number): number {
  return copy(at, moveAt[node] as number, moveLength[node] as number);
}

/** What is said when the frontier has run empty. */
export function putEnding(at: number): number {
  return put(at, ending);
}
