// HTML as text, with every value escaped, and the one kind of table that all sections use. Pure; knows no summary.

/** A value as HTML text or as the content of a quoted attribute. A model's output may hold anything, control characters included. */
export function escapeHtml(value: string | number): string {
  return (
    String(value)
      .replace(/&/g, "&amp;")
      .replace(/</g, "&lt;")
      .replace(/>/g, "&gt;")
      .replace(/"/g, "&quot;")
      .replace(/'/g, "&#39;")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach the page
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "\ufffd")
  );
}

/** A cell: plain text (escaped), or HTML that its maker has escaped. */
export type Cell = string | { readonly html: string };

export interface TableColumn {
  readonly title: Cell;
  /** Name of the column where a narrow screen shows a row as a list; default: the title. */
  readonly label?: string;
  /** `figure`: right-aligned, tabular figures. `plot`: takes the room that is left. */
  readonly kind?: "text" | "figure" | "plot";
}

export interface TableRow {
  readonly cells: readonly Cell[];
  /** Starts a new group: a line above it. */
  readonly first?: boolean;
}

/** A table whose rows turn into lists on a narrow screen. The first column names the row. */
export function table(columns: readonly TableColumn[], rows: readonly TableRow[], caption = ""): string {
  const kind = (index: number) => columns[index]?.kind ?? "text";
  const head = columns.map((column, index) => `<th scope="col" class="${kind(index)}">${cell(column.title)}</th>`).join("");
  const body = rows.map(({ cells, first }) => {
    const inner = cells.map((content, index) => {
      if (index === 0) return `<th scope="row">${cell(content)}</th>`;
      const column = columns[index];
      const label = column?.label ?? (typeof column?.title === "string" ? column.title : "");
      return `<td class="${kind(index)}" data-label="${escapeHtml(label)}">${cell(content)}</td>`;
    });
    return `<tr${first ? ' class="first"' : ""}>${inner.join("")}</tr>`;
  });
  const title = caption === "" ? "" : `<caption>${escapeHtml(caption)}</caption>`;
  return `<table>${title}<thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}

function cell(content: Cell): string {
  return typeof content === "string" ? escapeHtml(content) : content.html;
}

/** A titled part of the page. */
export function section(id: string, title: string, body: string): string {
  return body === "" ? "" : `<section id="${id}"><h2>${escapeHtml(title)}</h2>${body}</section>`;
}

/** A paragraph of explanation below a title. */
export function note(text: string): string {
  return `<p class="note">${escapeHtml(text)}</p>`;
}
