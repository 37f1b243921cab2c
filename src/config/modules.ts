// The user's own modules, as configs name them: path as written -> what it holds. Filled by moduleLoader.ts before a config
// that names them is parsed; settings and stage keys hold names and digests, never paths.

export interface ModuleInfo {
  /** Name of the puzzle it exports, if it does. */
  readonly puzzle: string | undefined;
  /** The options of that puzzle with defaults filled in. Throws UserError("config") that names the key. */
  readonly readOptions: (value: unknown) => unknown;
  /** Names of the formats it exports. */
  readonly formats: readonly string[];
  /** Of the module's file: what enters stage keys. */
  readonly sha256: string;
}

const declared = new Map<string, ModuleInfo>();

/** Makes a module known under the path that a config writes. */
export function declareModule(asWritten: string, info: ModuleInfo): void {
  declared.set(asWritten, info);
}

/** What the module of that path holds, or undefined when it was not loaded. */
export function moduleInfo(asWritten: string): ModuleInfo | undefined {
  return declared.get(asWritten);
}
