// The value of an arithmetic expression as Python would give it, for texts that a published checker hands to `eval`.
// Nothing is ever evaluated here: a recursive descent over operators and brackets.

const deepest = 50;

/**
 * Integers without leading zeros, + - * /, floor division //, signs, brackets, blanks; / is true division. undefined: not
 * such an expression, division by zero, a value beyond 2^53 - 1, or brackets deeper than 50.
 */
export function evaluateExpression(text: string): number | undefined {
  const tokens = text.trim().match(/[0-9]+|\/\/|[^ \t]/g) ?? [];
  const reader = { tokens, at: 0 };
  const value = sum(reader, 0);
  return value === undefined || reader.at < tokens.length ? undefined : value;
}

interface Reader {
  readonly tokens: readonly string[];
  at: number;
}

function sum(reader: Reader, depth: number): number | undefined {
  return chain(reader, ["+", "-"], () => product(reader, depth));
}

function product(reader: Reader, depth: number): number | undefined {
  return chain(reader, ["*", "/", "//"], () => factor(reader, depth));
}

/** Operands joined from left to right by operators of one rank. */
function chain(reader: Reader, operators: readonly string[], operand: () => number | undefined): number | undefined {
  let value = operand();
  for (;;) {
    const op = reader.tokens[reader.at];
    if (value === undefined || op === undefined || !operators.includes(op)) return value;
    reader.at++;
    const right = operand();
    const joined = right === undefined ? undefined : join(value, op, right);
    if (joined === undefined || Math.abs(joined) > Number.MAX_SAFE_INTEGER) return undefined;
    value = joined;
  }
}

function join(left: number, op: string, right: number): number | undefined {
  if (op === "+") return left + right;
  if (op === "-") return left - right;
  if (op === "*") return left * right;
  if (right === 0) return undefined;
  return op === "/" ? left / right : Math.floor(left / right);
}

function factor(reader: Reader, depth: number): number | undefined {
  const token = reader.tokens[reader.at++];
  if (token === undefined || depth > deepest) return undefined;
  if (token === "-" || token === "+") {
    const value = factor(reader, depth + 1);
    return value === undefined || token === "+" ? value : 0 - value;
  }
  if (token === "(") {
    const value = sum(reader, depth + 1);
    return reader.tokens[reader.at++] === ")" ? value : undefined;
  }
  const integer = /^(?:0+|[1-9][0-9]*)$/.test(token) ? Number(token) : undefined;
  return Number.isSafeInteger(integer) ? integer : undefined;
}
