// Building HTML and SVG from text that nobody may trust: everything is escaped unless it is Markup already. Pure.

/** Text that is markup by construction. */
export interface Markup {
  readonly markup: string;
}

/** A value of a template: markup as it is, text escaped, lists joined, nothing for undefined. */
export type Part = Markup | string | number | undefined | readonly Part[];

export function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;").replace(/'/g, "&#39;");
}

function flatten(part: Part): string {
  if (part === undefined) return "";
  if (typeof part === "string") return escapeText(part);
  if (typeof part === "number") return String(part);
  if (Array.isArray(part)) return part.map(flatten).join("");
  return (part as Markup).markup;
}

/** html`<td>${anything}</td>`: the template is markup, the values are escaped. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { markup: strings.map((text, index) => text + flatten(parts[index])).join("") };
}

/** Text that is known to be markup, such as a style sheet of our own. */
export function trusted(markup: string): Markup {
  return { markup };
}
