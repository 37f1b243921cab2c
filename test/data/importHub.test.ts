import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hubAccess, hubFiles } from "../../src/data/importHub.ts";
import { recordsOf, type SourceFile } from "../../src/data/importSource.ts";
import { parquetBytes } from "../../src/data/parquetWrite.ts";

/** A Hub with one data set, `lab/set one.json` in a folder and a Parquet file; listed in two pages. */
class StandInHub {
  readonly seen: { readonly path: string; readonly token: string | undefined; readonly range: string | undefined }[] = [];
  readonly contents: Record<string, Buffer> = {};
  readonly server: Server = createServer((request, response) => this.#answer(request, response));

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", this.endpoint);
    const token = request.headers.authorization?.replace("Bearer ", "");
    this.seen.push({ path: url.pathname, token, range: request.headers.range });
    const [tree, files] = ["/api/datasets/lab/set/tree/main", "/datasets/lab/set/resolve/main/"];
    if (token !== undefined && token !== "let-me-in") response.writeHead(403).end();
    else if (url.pathname === tree) this.#list(url, response);
    else if (url.pathname.startsWith(files))
      this.#file(decodeURIComponent(url.pathname.slice(files.length)), request, response);
    else response.writeHead(404).end("no such page");
  }

  #list(url: URL, response: ServerResponse): void {
    const entries = Object.entries(this.contents).map(([path, { length }]) => ({ type: "file", path, size: length }));
    const second = url.searchParams.has("cursor");
    if (!second) response.setHeader("Link", `<${url.href}&cursor=2>; rel="next"`);
    const page = second ? entries.slice(1) : [{ type: "directory", path: "data", size: 0 }, ...entries.slice(0, 1)];
    response.end(JSON.stringify(page));
  }

  #file(path: string, request: IncomingMessage, response: ServerResponse): void {
    const content = this.contents[path];
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    if (content === undefined) response.writeHead(404).end();
    else if (range) response.writeHead(206).end(content.subarray(Number(range[1]), Number(range[2]) + 1));
    else response.end(content);
  }
}

const hub = new StandInHub();
const rows = Array.from({ length: 4500 }, (_, target) => ({ target, search_path: `${target}+0=${target}` }));

beforeAll(async () => {
  const parquet: Uint8Array[] = [];
  const columns = [
    { name: "target", type: "integer" },
    { name: "search_path", type: "text" },
  ] as const;
  for await (const bytes of parquetBytes(columns, rows)) parquet.push(bytes);
  hub.contents["data/set one.json"] = Buffer.from(JSON.stringify(rows));
  hub.contents["data/rows.parquet"] = Buffer.concat(parquet);
  await new Promise<void>((resolve) => hub.server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => hub.server.close());

const access = (env: Record<string, string> = {}) => hubAccess({ HF_ENDPOINT: `${hub.endpoint}/`, ...env });

async function valuesOf(file: SourceFile | undefined): Promise<unknown[]> {
  const values: unknown[] = [];
  if (file) for await (const record of recordsOf(file)) values.push("value" in record ? record.value : record.broken);
  return values;
}

describe("hubFiles", () => {
  it("lists all pages and reads JSON as a stream and Parquet by ranges", async () => {
    const files = await hubFiles("hf:lab/set", access());
    expect(files.map(({ path, bytes }) => [path, bytes])).toEqual(
      Object.entries(hub.contents).map(([path, { length }]) => [path, length]),
    );
    expect(await valuesOf(files[0])).toEqual(rows);
    expect(await valuesOf(files[1])).toEqual(rows);
    const ranges = hub.seen.filter(({ path, range }) => path.endsWith(".parquet") && range !== undefined);
    expect(ranges.length).toBeGreaterThan(1);
    expect(hub.seen.filter(({ path, range }) => path.endsWith(".parquet") && range === undefined)).toEqual([]);
  });

  it("sends the token, and no header where there is none", async () => {
    hub.seen.length = 0;
    await hubFiles("hf:lab/set", access({ HF_TOKEN: "let-me-in" }));
    await hubFiles("hf:lab/set", access());
    expect(hub.seen.map(({ token }) => token)).toEqual(["let-me-in", "let-me-in", undefined, undefined]);
  });

  it("asks nothing where HF_HUB_OFFLINE forbids it", async () => {
    hub.seen.length = 0;
    await expect(hubFiles("hf:lab/set", access({ HF_HUB_OFFLINE: "1" }))).rejects.toThrow("HF_HUB_OFFLINE is set");
    expect(hub.seen).toEqual([]);
  });

  it("says what is wrong and what to do", async () => {
    await expect(hubFiles("hf:lab/other", access())).rejects.toMatchObject({
      code: "hub",
      message: "hf:lab/other: HTTP 404: not there. Check the name and the revision.",
    });
    await expect(hubFiles("hf:lab/set", access({ HF_TOKEN: "stolen" }))).rejects.toThrow(
      "HTTP 403: this token may not read it",
    );
    await expect(hubFiles("hf:lab", access())).rejects.toThrow("expected hf:owner/name");
    const closed = hubAccess({ HF_ENDPOINT: "http://127.0.0.1:9" });
    await expect(hubFiles("hf:lab/set", closed)).rejects.toMatchObject({
      code: "hub",
      message: expect.stringContaining("cannot be read"),
    });
  });

  it("asks the public Hub unless told otherwise", () => {
    expect(hubAccess({})).toEqual({ endpoint: "https://huggingface.co", offline: false });
    expect(hubAccess({ HF_ENDPOINT: "http://mirror/", HF_HUB_OFFLINE: "0" })).toEqual({
      endpoint: "http://mirror",
      offline: false,
    });
  });
});
