import { objectName, type SessionRow } from '@mobvibe/sync';
import { useState } from 'preact/hooks';
import { useAccount } from '../state/account.ts';

const BUCKET = 'project-files';
/** More than this is no help on a phone. */
const MAX_CHARACTERS = 100_000;

interface FileChangeProps {
  path: string;
  change: string;
  added: number | null;
  removed: number | null;
  session: SessionRow;
}

/** A file that was written: by how much it changed, and, opened, what is in it now. */
export function FileChange({ path, change, added, removed, session }: FileChangeProps) {
  const [content, setContent] = useState<string | null>();
  const { supabase, user } = useAccount();
  const load = async () => {
    const prefix = session.storage_prefix ?? `${user.id}/${session.project_id}/${session.id}`;
    const folder = prefix.replace(/\/$/, '');
    const name = objectName(path);
    const file = name && (await supabase.storage.from(BUCKET).download(`${folder}/${name}`)).data;
    // Without an answer it is not uploaded yet, as far as anybody here can tell.
    setContent(file ? await file.text() : null);
  };
  return (
    <details
      onToggle={(event) => {
        // Each time anew: it may have been uploaded, or changed, in between.
        if (event.currentTarget.open) void load();
      }}
    >
      <summary>
        <span class="small">{change}</span> <code>{path}</code>{' '}
        {added !== null && <span class="added small">+{added}</span>}{' '}
        {Boolean(removed) && <span class="removed small">−{removed}</span>}
      </summary>
      {content === undefined && <p class="muted small">Loading…</p>}
      {content === null && (
        <p class="muted small">Its content is not uploaded yet. Close and open it to look again.</p>
      )}
      {typeof content === 'string' && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <pre class="file" tabIndex={0}>
          {content.slice(0, MAX_CHARACTERS)}
          {content.length > MAX_CHARACTERS && `\n… ${content.length - MAX_CHARACTERS} more characters`}
        </pre>
      )}
    </details>
  );
}
