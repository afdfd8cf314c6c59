import { z } from 'zod';

/** Addresses at which a person can see the app. */
export interface Preview {
  webviewUrl?: string;
  easUpdateUrl?: string;
}

/**
 * Where the agent, or a tool it runs, says where the app can be seen, relative to the project:
 * `{ "webview_url": "…", "eas_update_url": "…" }`, either or both.
 */
export const PREVIEW_FILE = '.mobvibe/preview.json';

/** Where the agent serves the app on a machine of its own: Expo's port. */
export const PREVIEW_PORT = 8081;

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

const address = (allowLoopback: boolean) =>
  z
    .string()
    .refine((text) => {
      if (!URL.canParse(text)) return false;
      const { protocol, hostname, username, password } = new URL(text);
      if (username || password) return false;
      if (LOOPBACK.has(hostname)) return allowLoopback && (protocol === 'http:' || protocol === 'https:');
      return protocol === 'https:';
    })
    // As the standard writes it: no character in it that Postgres refuses.
    .transform((text) => new URL(text).href)
    // The bound of both columns of coding_sessions.
    .pipe(z.string().max(2048))
    .optional()
    .catch(undefined);

/**
 * What a preview file says. It is written by the agent: what is no address is passed over.
 * @param allowLoopback whether this machine is where the app is served
 */
export function readPreview(content: string | undefined, allowLoopback = false): Preview {
  const schema = z.object({
    webview_url: address(allowLoopback),
    eas_update_url: address(allowLoopback),
  });
  const { webview_url, eas_update_url } = schema.safeParse(parseJson(content)).data ?? {};
  return {
    ...(webview_url && { webviewUrl: webview_url }),
    ...(eas_update_url && { easUpdateUrl: eas_update_url }),
  };
}

function parseJson(content: string | undefined): unknown {
  try {
    return JSON.parse(content ?? '');
  } catch {
    return undefined;
  }
}
