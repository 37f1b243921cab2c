// A failed call of the mock worker: what becomes an `error` message.

export class JobError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  constructor(code: string, message: string, retryable = false) {
    super(message);
    this.name = "JobError";
    this.code = code;
    this.retryable = retryable;
  }
}

/** The fields of the error message that answers a call; what is no JobError has the code "internal". */
export function describeError(error: unknown) {
  const message = error instanceof Error ? error.message : String(error);
  const { code, retryable } = error instanceof JobError ? error : new JobError("internal", message);
  return { code, message, retryable, traceback: error instanceof Error ? (error.stack ?? "") : "" };
}
