// One way to say "interrupted": an error named AbortError, whatever reason the signal carries. Pure.

/** The error to reject with when `signal` has fired. A reason that is an AbortError itself is kept. */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name === "AbortError") return reason;
  const error = new Error(reason instanceof Error ? reason.message : "interrupted", { cause: reason });
  error.name = "AbortError";
  return error;
}

/** Calls `then` when the signal fires; returns how to stop listening. */
export function onAbort(signal: AbortSignal | undefined, then: (error: Error) => void): () => void {
  if (!signal) return () => undefined;
  const heard = () => then(abortError(signal));
  signal.addEventListener("abort", heard, { once: true });
  return () => signal.removeEventListener("abort", heard);
}
