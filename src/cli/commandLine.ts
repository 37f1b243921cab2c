// A command as a person may paste it into a shell.

/** The words of a command, those with anything but plain characters in single quotes. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w./:=,@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}
