import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Where the SDK keeps its settings and conversations. */
export const configDirectory = (home: string) => join(home, '.claude');

/** Whether the conversation can be resumed: the SDK keeps each as `projects/<directory>/<session id>.jsonl`. */
export async function hasTranscript(home: string, agentSessionId: string): Promise<boolean> {
  const projects = join(configDirectory(home), 'projects');
  for (const directory of await readdir(projects).catch(() => [])) {
    const found = await stat(join(projects, directory, `${agentSessionId}.jsonl`)).catch(() => undefined);
    if (found?.isFile() && found.size > 0) return true;
  }
  return false;
}
