// Files of a data set on the Hugging Face Hub, over HTTPS. Knows the two addresses it asks and no file type.
import type { AsyncBuffer } from "hyparquet";
import { UserError } from "../lib/errors.ts";
import type { SourceFile } from "./importSource.ts";

/** How the Hub is reached. */
export interface HubAccess {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly token?: string;
  readonly offline: boolean;
  readonly signal?: AbortSignal;
}

const publicHub = "https://huggingface.co";

/** Reads HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE as Hugging Face's own tools do. */
export function hubAccess(env: Readonly<Record<string, string | undefined>>, signal?: AbortSignal): HubAccess {
  return {
    endpoint: (env.HF_ENDPOINT || publicHub).replace(/\/+$/, ""),
    ...(env.HF_TOKEN ? { token: env.HF_TOKEN } : {}),
    offline: /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? ""),
    ...(signal ? { signal } : {}),
  };
}

/** A data set of the Hub: `hf:owner/name`, with `@revision` where it is not `main`. Undefined when the text is none. */
function readHubId(text: string): { readonly id: string; readonly revision: string } | undefined {
  const match = /^hf:([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/.exec(text);
  return match ? { id: match[1] as string, revision: match[2] ?? "main" } : undefined;
}

/**
 * All files of a data set. Throws UserError("hub") when it is not there, not open to this token, or the Hub cannot be reached or
 * HF_HUB_OFFLINE forbids it.
 */
export async function hubFiles(source: string, access: HubAccess): Promise<SourceFile[]> {
  const hub = readHubId(source);
  if (hub === undefined) throw new UserError("hub", `${source}: expected hf:owner/name or hf:owner/name@revision.`);
  if (access.offline) {
    throw new UserError(
      "hub",
      `${source}: HF_HUB_OFFLINE is set, so nothing is fetched. Unset it, or give the path of a copy.`,
    );
  }
  const revision = encodeURIComponent(hub.revision);
  const files: SourceFile[] = [];
  let page: string | undefined = `${access.endpoint}/api/datasets/${hub.id}/tree/${revision}?recursive=true`;
  while (page !== undefined) {
    const answer = await get(page, source, access);
    for (const entry of (await answer.json()) as { type: string; path: string; size: number }[]) {
      if (entry.type !== "file") continue;
      const path = entry.path.split("/").map(encodeURIComponent).join("/");
      files.push(hubFile(entry, `${access.endpoint}/datasets/${hub.id}/resolve/${revision}/${path}`, source, access));
    }
    page = nextPage(answer, access);
  }
  return files;
}

/** Long listings come in pages; the next one's address stands in the `Link` header and must be of the same Hub. */
function nextPage(answer: Response, access: HubAccess): string | undefined {
  const next = /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
  if (next === undefined) return undefined;
  const url = new URL(next, access.endpoint);
  return url.origin === new URL(access.endpoint).origin ? url.href : undefined;
}

function hubFile(entry: { path: string; size: number }, url: string, source: string, access: HubAccess): SourceFile {
  return {
    path: entry.path,
    bytes: entry.size,
    async *stream() {
      const answer = await get(url, source, access);
      try {
        if (answer.body) yield* answer.body;
      } catch (error) {
        throw unreachable(`${source}: ${entry.path}`, error, access);
      }
    },
    random: async (): Promise<AsyncBuffer> => ({
      byteLength: entry.size,
      slice: async (from, to = entry.size) => {
        const answer = await get(url, source, access, { Range: `bytes=${from}-${to - 1}` });
        const bytes = await answer.arrayBuffer();
        // A server that does not know ranges answers 200 with the whole file.
        return answer.status === 206 ? bytes : bytes.slice(from, to);
      },
    }),
  };
}

async function get(url: string, source: string, access: HubAccess, headers: Record<string, string> = {}): Promise<Response> {
  const authorization = access.token === undefined ? {} : { Authorization: `Bearer ${access.token}` };
  let answer: Response;
  try {
    const init = { headers: { ...headers, ...authorization }, ...(access.signal ? { signal: access.signal } : {}) };
    answer = await fetch(url, init);
  } catch (error) {
    throw unreachable(source, error, access);
  }
  if (answer.ok) return answer;
  await answer.body?.cancel();
  const reasons: Record<number, string> = {
    401: `not open without a token, or not there. Check the name; if the data set is gated, set HF_TOKEN`,
    403: `this token may not read it. Ask for access on the data set's page`,
    404: `not there. Check the name and the revision`,
    429: `the Hub asks to wait (too many requests). Try again later, or set HF_TOKEN`,
  };
  const reason = reasons[answer.status] ?? "the Hub has a fault. Try again later";
  throw new UserError("hub", `${source}: HTTP ${answer.status}: ${reason}.`);
}

function unreachable(what: string, error: unknown, access: HubAccess): unknown {
  if (access.signal?.aborted) return access.signal.reason;
  const { cause, message } = error as Error;
  const reason = cause instanceof Error ? cause.message : message;
  return new UserError(
    "hub",
    `${what}: ${access.endpoint} cannot be read (${reason}). Try again, or give the path of a copy.`,
    {
      cause: error,
    },
  );
}
