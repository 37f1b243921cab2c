// The error model. A user's mistake is a UserError: main prints its message and exits with its code, without a stack.
// Anything else that reaches main is a bug of ours. A failed job is data (protocol/messages.ts), not an exception of ours.

/** Exit codes of the command line: a promise of DESIGN.md section 7. */
export const exitCode = { done: 0, bug: 1, usage: 2, failedStages: 3, claimNotSupported: 4, interrupted: 130 } as const;

/**
 * Something the user can mend. The message names the key or file, what was found, what was expected and how to fix it.
 * `code` is a stable word for scripts and tests ("config", "store-locked", "python-missing", ...).
 */
export class UserError extends Error {
  readonly code: string;
  readonly exit: number;

  constructor(code: string, message: string, options: { cause?: unknown; exit?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "UserError";
    this.code = code;
    this.exit = options.exit ?? exitCode.usage;
  }
}
