// What the probe and its child process say to each other.

export interface ProbeRequest {
  readonly call: "environment" | "model" | "access";
  readonly args: readonly unknown[];
}

/** Precedes the one line on stdout that is the answer; Python's own prints may stand around it. */
export const probeMarker = "backtrail-probe:";

/** Begins the line on stderr that says how the interpreter ended without an answer. */
export const pythonEnded = "backtrail-probe: Python ended";
